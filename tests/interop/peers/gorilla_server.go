// The server of scenarios.py by gorilla; gets a certificate and its key.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"

	"github.com/gorilla/websocket"
)

var reports = make(chan string, 16)

func upgrader(bufferSize int) websocket.Upgrader {
	return websocket.Upgrader{
		Subprotocols:      []string{"echo"},
		EnableCompression: true,
		WriteBufferSize:   bufferSize,
		CheckOrigin:       func(*http.Request) bool { return true },
	}
}

// Reads until the other side has gone; control frames are handled meanwhile.
func drain(ws *websocket.Conn) {
	for {
		if _, _, err := ws.ReadMessage(); err != nil {
			return
		}
	}
}

func say(ws *websocket.Conn, text string) error {
	return ws.WriteMessage(websocket.TextMessage, []byte(text))
}

func echo(ws *websocket.Conn) {
	for {
		kind, data, err := ws.ReadMessage()
		if err != nil {
			return
		}
		ws.WriteMessage(kind, data)
	}
}

// Its write buffer has room for one byte, so each is a fragment.
func fragments(ws *websocket.Conn) {
	for _, message := range []struct {
		kind int
		data string
	}{
		{websocket.TextMessage, "one, two, drei €"},
		{websocket.BinaryMessage, "\x00\x01\x02"},
	} {
		writer, _ := ws.NextWriter(message.kind)
		writer.Write([]byte(message.data))
		writer.Close()
	}
	drain(ws)
}

func ping(ws *websocket.Conn) {
	ws.SetPongHandler(func(data string) error {
		if data == "payload" {
			return say(ws, "pong")
		}
		return nil
	})
	ws.WriteMessage(websocket.PingMessage, []byte("payload"))
	drain(ws)
}

func bye(ws *websocket.Conn) {
	message := websocket.FormatCloseMessage(4001, "server says bye")
	ws.WriteMessage(websocket.CloseMessage, message)
	drain(ws)
}

func report(ws *websocket.Conn) {
	_, _, err := ws.ReadMessage()
	if closed, ok := err.(*websocket.CloseError); ok {
		reports <- fmt.Sprintf("%d %s", closed.Code, closed.Text)
	} else {
		reports <- err.Error()
	}
}

func reported(ws *websocket.Conn) {
	say(ws, <-reports)
	drain(ws)
}

func numbers(ws *websocket.Conn) {
	_, data, _ := ws.ReadMessage()
	wanted, _ := strconv.Atoi(string(data))
	for number := 0; number < wanted; number++ {
		say(ws, strconv.Itoa(number))
	}
	say(ws, "end")
	drain(ws)
}

func count(ws *websocket.Conn) {
	for number := 0; ; {
		_, data, err := ws.ReadMessage()
		if err != nil {
			return
		}
		if string(data) == "end" {
			say(ws, strconv.Itoa(number))
		} else if string(data) == strconv.Itoa(number) {
			number++
		}
	}
}

func route(path string, bufferSize int, handler func(*websocket.Conn)) {
	made := upgrader(bufferSize)
	http.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		ws, err := made.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		handler(ws)
	})
}

func listen() (net.Listener, int) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	return listener, listener.Addr().(*net.TCPAddr).Port
}

func main() {
	route("/echo", 4096, echo)
	route("/fragments", 1, fragments)
	route("/ping", 4096, ping)
	route("/bye", 4096, bye)
	route("/report", 4096, report)
	route("/reported", 4096, reported)
	route("/numbers", 4096, numbers)
	route("/count", 4096, count)
	plain, plainPort := listen()
	tls, tlsPort := listen()
	go http.ServeTLS(tls, nil, os.Args[1], os.Args[2])
	fmt.Printf("%d %d\n", plainPort, tlsPort)
	http.Serve(plain, nil)
}
