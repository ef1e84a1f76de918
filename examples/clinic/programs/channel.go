// Two goroutines wait on channels that only the other one would fill; the main goroutine still accepts clients.
package main

import (
	"fmt"
	"net"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	first, second := make(chan int), make(chan int)
	go func() { second <- <-first }()
	go func() { first <- <-second }()
	fmt.Printf("READY {\"port\":%d}\n", listener.Addr().(*net.TCPAddr).Port)
	for {
		client, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		client.Write([]byte("ok\n"))
		client.Close()
	}
}
