// usage: list: holds about 200 MiB of structures for a moment.
package main

import "time"

type entry struct {
	n    int
	text string
	next *entry
}

func main() {
	var held []*entry
	for i := 0; i < 4000000; i++ {
		held = append(held, &entry{n: i, text: "text"})
	}
	time.Sleep(300 * time.Millisecond)
	println(len(held))
}
