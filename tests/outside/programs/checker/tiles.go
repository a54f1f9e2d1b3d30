// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	height    = 8
	width     = 1 << height
	maxAnswer = 32 << 20
)

// path names a tile as C2SP tlog-tiles does: x/mod's paths name the height too, and call entries data.
func path(tile tlog.Tile) string {
	name := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	return "tile/" + strings.Replace(name, "data/", "entries/", 1)
}

// web reads a log over HTTP. What it has read, it keeps.
type web struct {
	url   string
	tiles map[tlog.Tile][]byte
}

var client = &http.Client{
	Timeout: 60 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error {
		return fmt.Errorf("a log does not redirect")
	},
}

// get reads one resource, which must have the content type that tlog-tiles gives it.
func (w *web) get(name, contentType string) ([]byte, error) {
	answer, err := client.Get(w.url + "/" + name)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", name, answer.Status)
	}
	if got := answer.Header.Get("Content-Type"); got != contentType {
		return nil, fmt.Errorf("%s: Content-Type is %q, not %q", name, got, contentType)
	}
	return io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
}

func (w *web) Height() int { return height }

func (w *web) SaveTiles([]tlog.Tile, [][]byte) {}

func (w *web) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		if known, ok := w.tiles[tile]; ok {
			data[i] = known
			continue
		}
		read, err := w.get(path(tile), "application/octet-stream")
		if err != nil {
			return nil, err
		}
		data[i], w.tiles[tile] = read, read
	}
	return data, nil
}

// entries reads a bundle of entries, each after its length in two bytes.
func (w *web) entries(number int64, count int) ([][]byte, error) {
	name := path(tlog.Tile{H: height, L: -1, N: number, W: count})
	data, err := w.get(name, "application/octet-stream")
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 {
			return nil, fmt.Errorf("%s ends within a length", name)
		}
		size := int(binary.BigEndian.Uint16(data))
		if len(data) < 2+size {
			return nil, fmt.Errorf("%s ends within an entry", name)
		}
		entries = append(entries, data[2:2+size])
		data = data[2+size:]
	}
	if len(entries) != count {
		return nil, fmt.Errorf("%s holds %d entries, not %d", name, len(entries), count)
	}
	return entries, nil
}

// remembering keeps each hash that it was once asked for: a proof for every record asks often.
func remembering(below tlog.HashReader) tlog.HashReader {
	known := map[int64]tlog.Hash{}
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var missing []int64
		for _, index := range indexes {
			if _, ok := known[index]; !ok {
				missing = append(missing, index)
			}
		}
		if len(missing) > 0 {
			read, err := below.ReadHashes(missing)
			if err != nil {
				return nil, err
			}
			for i, index := range missing {
				known[index] = read[i]
			}
		}
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hashes[i] = known[index]
		}
		return hashes, nil
	})
}
