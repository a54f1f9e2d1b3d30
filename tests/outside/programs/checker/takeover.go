// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type taken struct {
	Size int64 `json:"size"`
}

// takeOver goes on where a log has ended, with its own key: it makes the tree again from the entries alone,
// must then sign the very checkpoint that the log shows, and grows to a size.
func takeOver(url, keyFile, folder, to string) (*taken, error) {
	private, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(strings.TrimSpace(string(private)))
	if err != nil {
		return nil, fmt.Errorf("the key: %v", err)
	}
	last := &web{url: url, tiles: map[tlog.Tile][]byte{}}
	shown, err := last.get("checkpoint", "text/plain; charset=utf-8")
	if err != nil {
		return nil, err
	}
	lines := strings.SplitN(string(shown), "\n", 3)
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 1 {
		return nil, fmt.Errorf("the checkpoint's size is %q", lines[1])
	}
	log := &growing{folder: folder}
	var entries [][]byte
	for number := int64(0); number*width < size; number++ {
		count := size - number*width
		if count > width {
			count = width
		}
		read, err := last.entries(number, int(count))
		if err != nil {
			return nil, err
		}
		entries = append(entries, read...)
	}
	signed, err := log.grow(entries, signer)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(signed, shown) {
		return nil, fmt.Errorf("what it would sign is not what the log has signed")
	}
	more, err := strconv.ParseInt(to, 10, 64)
	if err != nil || more < size {
		return nil, fmt.Errorf("not a size: %s", to)
	}
	if _, err := log.grow(madeUp(log, more), signer); err != nil {
		return nil, err
	}
	return &taken{Size: more}, nil
}
