// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type written struct {
	VKey string `json:"vkey"`
}

// growing is a log in memory: its entries and x/mod's stored hashes.
type growing struct {
	folder  string
	entries [][]byte
	hashes  []tlog.Hash
}

func (g *growing) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = g.hashes[index]
	}
	return hashes, nil
}

// write grows a log to each size in turn, with a signed checkpoint-<size> for each.
func write(folder, name string, sizes []string) (*written, error) {
	private, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, err
	}
	log := &growing{folder: folder}
	for _, text := range sizes {
		size, err := strconv.ParseInt(text, 10, 64)
		if err != nil || size < int64(len(log.entries)) {
			return nil, fmt.Errorf("not a size: %s", text)
		}
		if _, err := log.grow(madeUp(log, size), signer); err != nil {
			return nil, err
		}
	}
	return &written{VKey: vkey}, nil
}

// madeUp returns the entries that a log lacks to be of a size.
func madeUp(log *growing, size int64) [][]byte {
	var entries [][]byte
	for number := int64(len(log.entries)); number < size; number++ {
		entries = append(entries, []byte(fmt.Sprintf("entry %d", number)))
	}
	return entries
}

// grow adds entries, and returns the signed checkpoint-<size> that it has written after their tiles.
func (g *growing) grow(entries [][]byte, signer note.Signer) ([]byte, error) {
	if err := g.add(entries); err != nil {
		return nil, err
	}
	size := int64(len(g.entries))
	root, err := tlog.TreeHash(size, g)
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("%s\n%d\n%v\n", signer.Name(), size, root)
	checkpoint, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return nil, err
	}
	return checkpoint, g.put(fmt.Sprintf("checkpoint-%d", size), checkpoint)
}

func (g *growing) add(entries [][]byte) error {
	old := int64(len(g.entries))
	size := old + int64(len(entries))
	for number := old; number < size; number++ {
		entry := entries[number-old]
		hashes, err := tlog.StoredHashes(number, entry, g)
		if err != nil {
			return err
		}
		g.entries = append(g.entries, entry)
		g.hashes = append(g.hashes, hashes...)
	}
	for _, tile := range tlog.NewTiles(height, old, size) {
		data, err := tlog.ReadTileData(tile, g)
		if err != nil {
			return err
		}
		if err := g.put(path(tile), data); err != nil {
			return err
		}
		if tile.L == 0 {
			if err := g.putEntries(tile); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *growing) putEntries(tile tlog.Tile) error {
	var data []byte
	for _, entry := range g.entries[tile.N*width : tile.N*width+int64(tile.W)] {
		data = binary.BigEndian.AppendUint16(data, uint16(len(entry)))
		data = append(data, entry...)
	}
	return g.put(path(tlog.Tile{H: height, L: -1, N: tile.N, W: tile.W}), data)
}

func (g *growing) put(name string, data []byte) error {
	file := filepath.Join(g.folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}
