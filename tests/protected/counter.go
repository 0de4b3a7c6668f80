// A server that counts and keeps texts for its clients, with net/http. Meanwhile goroutines that never wait add to a
// number without any lock; it is written out for every request.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
)

type kept struct {
	number int
	text   strings.Builder
}

var (
	lock sync.Mutex
	all  = map[string]*kept{}
	spun uint64
	junk [64][]byte
)

func spins(mixed uint64) {
	for {
		for i := 0; i < 100000; i++ {
			mixed = mixed*6364136223846793005 + 1442695040888963407
			if mixed>>62 == 3 {
				spun++
			}
		}
		// Something to collect.
		junk[mixed%64] = make([]byte, 1000+mixed%5000)
	}
}

func main() {
	null, err := os.OpenFile("/dev/null", os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	of := func(r *http.Request) *kept {
		id := r.FormValue("id")
		if all[id] == nil {
			all[id] = &kept{}
		}
		return all[id]
	}
	http.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) {
		lock.Lock()
		defer lock.Unlock()
		one := of(r)
		one.number++
		one.text.WriteString(r.FormValue("piece"))
		fmt.Fprintln(null, spun)
		fmt.Fprintf(w, "%d %d\n", one.number, one.text.Len())
	})
	http.HandleFunc("/text", func(w http.ResponseWriter, r *http.Request) {
		lock.Lock()
		defer lock.Unlock()
		fmt.Fprintln(w, of(r).text.String())
	})
	http.HandleFunc("/quit", func(w http.ResponseWriter, r *http.Request) { os.Exit(0) })
	for i := uint64(0); i < 2; i++ {
		go spins(i)
	}
	// IPv4 only.
	listener, err := net.Listen("tcp4", os.Args[1])
	if err != nil {
		panic(err)
	}
	panic(http.Serve(listener, nil))
}
