// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/tlog"
)

type checked struct {
	Size       int64   `json:"size"`
	Root       string  `json:"root"`
	Records    int64   `json:"records"`
	Tiles      int     `json:"tiles"`
	Consistent []int64 `json:"consistent"`
}

// check reads a log and believes its signature alone: the tree, the inclusion of the records in every
// step-th tile (1: of all), and that each saved checkpoint is of a beginning of it.
func check(step int64, url, vkey string, saved []string) (*checked, error) {
	log := &web{url: url, tiles: map[tlog.Tile][]byte{}}
	data, err := log.get("checkpoint", "text/plain; charset=utf-8")
	if err != nil {
		return nil, err
	}
	tree, err := openCheckpoint(data, vkey)
	if err != nil {
		return nil, err
	}
	hashes := remembering(tlog.TileHashReader(tree, log))
	if err := checkRoot(tree, hashes); err != nil {
		return nil, err
	}
	records, err := checkRecords(step, tree, log, hashes)
	if err != nil {
		return nil, err
	}
	answer := &checked{Size: tree.N, Root: tree.Hash.String(), Records: records, Consistent: []int64{}}
	for _, name := range saved {
		size, err := checkGrowth(name, vkey, tree, hashes)
		if err != nil {
			return nil, fmt.Errorf("%s: %v", name, err)
		}
		answer.Consistent = append(answer.Consistent, size)
	}
	answer.Tiles = len(log.tiles)
	return answer, nil
}

func checkRoot(tree tlog.Tree, hashes tlog.HashReader) error {
	root, err := tlog.TreeHash(tree.N, hashes)
	if err != nil {
		return err
	}
	if root != tree.Hash {
		return fmt.Errorf("the tiles are of the tree %v, the checkpoint of %v", root, tree.Hash)
	}
	return nil
}

// checkRecords proves each record from its own bytes. CheckRecord comes last: the tile reader of x/mod
// 0.7.0 may hand out hashes of tiles that it has not authenticated (CVE-2026-56865).
func checkRecords(step int64, tree tlog.Tree, log *web, hashes tlog.HashReader) (int64, error) {
	records := int64(0)
	for first := int64(0); first < tree.N; first += step * width {
		count := width
		if tree.N-first < width {
			count = int(tree.N - first)
		}
		if _, err := hashes.ReadHashes(below(first, count)); err != nil {
			return records, err
		}
		entries, err := log.entries(first/width, count)
		if err != nil {
			return records, err
		}
		for i, entry := range entries {
			number := first + int64(i)
			proof, err := tlog.ProveRecord(tree.N, number, hashes)
			if err != nil {
				return records, fmt.Errorf("record %d: %v", number, err)
			}
			if err := tlog.CheckRecord(proof, tree.N, tree.Hash, number, tlog.RecordHash(entry)); err != nil {
				return records, fmt.Errorf("record %d: %v", number, err)
			}
			records++
		}
	}
	return records, nil
}

// below lists the complete subtrees within one tile of records: reading them at once is cheap, since
// x/mod's tile reader hashes whole tiles for each call.
func below(first int64, count int) []int64 {
	var indexes []int64
	for level := 0; level < height; level++ {
		for place := 0; (place+1)<<level <= count; place++ {
			indexes = append(indexes, tlog.StoredHashIndex(level, first>>level+int64(place)))
		}
	}
	return indexes
}

func checkGrowth(name, vkey string, tree tlog.Tree, hashes tlog.HashReader) (int64, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	old, err := openCheckpoint(data, vkey)
	if err != nil {
		return 0, err
	}
	proof, err := tlog.ProveTree(tree.N, old.N, hashes)
	if err != nil {
		return 0, err
	}
	return old.N, tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash)
}
