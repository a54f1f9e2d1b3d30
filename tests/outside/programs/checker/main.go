// SPDX-License-Identifier: Apache-2.0

// The checker reads a tiled transparency log with golang.org/x/mod, the code behind Go's checksum
// database, and nothing of weighbridge's:
//
//	checker check STEP URL VKEY [CHECKPOINT...]   a log: every STEP-th tile of records with its entries, and
//	                                              growth from each saved checkpoint
//	checker receipt VKEY RECEIPT LEAF        one C2SP tlog-proof, offline
//	checker write DIR NAME SIZE...           a log of x/mod's own making, grown to each size in turn
//	checker takeover URL KEY DIR SIZE        a log that goes on in DIR with the same key, up to a size
//
// It prints JSON, and ends with 1 at the first thing that does not hold.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
)

func main() {
	answer, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "checker:", err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
		os.Exit(1)
	}
}

func run(args []string) (interface{}, error) {
	switch {
	case len(args) >= 4 && args[0] == "check":
		step, err := strconv.ParseInt(args[1], 10, 32)
		if err != nil || step < 1 {
			return nil, fmt.Errorf("not a step: %s", args[1])
		}
		return check(step, args[2], args[3], args[4:])
	case len(args) == 4 && args[0] == "receipt":
		return receipt(args[1], args[2], args[3])
	case len(args) >= 4 && args[0] == "write":
		return write(args[1], args[2], args[3:])
	case len(args) == 5 && args[0] == "takeover":
		return takeOver(args[1], args[2], args[3], args[4])
	}
	return nil, fmt.Errorf("check STEP URL VKEY [CHECKPOINT...] | receipt VKEY RECEIPT LEAF | write DIR NAME SIZE... | takeover URL KEY DIR SIZE")
}
