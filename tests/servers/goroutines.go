// Goroutines, channels, timers, sockets, the garbage collector and map order.
package main

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "failed:", err)
		os.Exit(1)
	}
}

func main() {
	jobs, results := make(chan int), make(chan [2]int, 10)
	var team sync.WaitGroup
	for n := 0; n < 8; n++ {
		team.Add(1)
		go func(n int) {
			defer team.Done()
			for job := range jobs {
				results <- [2]int{n, job * job}
			}
		}(n)
	}
	go func() {
		for job := 0; job < 500; job++ {
			jobs <- job
		}
		close(jobs)
		team.Wait()
		close(results)
	}()
	sum, share := 0, map[int]int{}
	for result := range results {
		sum += result[1]
		share[result[0]]++
	}
	if sum != 41541750 {
		check(fmt.Errorf("sum %d", sum))
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go func() {
		for {
			peer, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				lines := bufio.NewScanner(peer)
				for lines.Scan() {
					fmt.Fprintln(peer, strings.ToUpper(lines.Text()))
				}
				peer.Close()
			}()
		}
	}()
	for n := 0; n < 10; n++ {
		team.Add(1)
		go func(n int) {
			defer team.Done()
			peer, err := net.Dial("tcp", listener.Addr().String())
			check(err)
			answers := bufio.NewReader(peer)
			for i := 0; i < 20; i++ {
				fmt.Fprintf(peer, "client %d line %d\n", n, i)
				answer, err := answers.ReadString('\n')
				check(err)
				if answer != fmt.Sprintf("CLIENT %d LINE %d\n", n, i) {
					check(fmt.Errorf("answer %q", answer))
				}
			}
			peer.Close()
		}(n)
	}
	team.Wait()
	listener.Close()

	select {
	case <-time.After(20 * time.Millisecond):
	case <-make(chan int):
	}
	var kept [][]byte
	for i := 0; i < 200; i++ {
		kept = append(kept, make([]byte, 50000))
		kept = kept[len(kept)/2:]
	}
	runtime.GC()
	out, err := exec.Command("sh", "-c", "echo from $$").Output()
	check(err)
	random := make([]byte, 8)
	_, err = rand.Read(random)
	check(err)
	fmt.Print("order")
	for n := range share {
		fmt.Print(" ", n, ":", share[n])
	}
	fmt.Println()
	fmt.Printf("random %x pid %d %q now %s at %p kept %d\n", random, os.Getpid(), out, time.Now(), &sum, len(kept))
	fmt.Println("ok")
}
