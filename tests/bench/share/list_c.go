// usage: list: holds about 200 MiB of C's blocks for a moment.
package main

// #include <stdlib.h>
// #include <string.h>
// static void* filled(size_t size) { void* block = malloc(size); if (block) memset(block, 1, size); return block; }
import "C"

import (
	"time"
	"unsafe"
)

func main() {
	var held []unsafe.Pointer
	for i := 0; i < 25000; i++ {
		held = append(held, C.filled(8000))
	}
	time.Sleep(300 * time.Millisecond)
	println(len(held))
}
