// Command receiver receives the events of lernito-openedx, and keeps the newest of each delivery.
//
// Run it, and give the service its address and the secret in LERNITO_EVENTS_URL and LERNITO_EVENTS_SECRET. The sandbox
// has an option: --events http://127.0.0.1:8792/
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	bodyMax = 1 << 20
	// Who sets no more than whsec_ would accept what anybody has signed.
	keyMin = 24
)

var (
	// While the operator changes the secret: both, with a space between them.
	secrets = env("LERNITO_EVENTS_SECRET", "whsec_bGVybml0by1zYW5kYm94LWV2ZW50cy1zZWNyZXQ=")
	states  = env("LERNITO_STATES", "lernito-states")
	lock    sync.Mutex
)

// An event has more fields, which docs/reference/events.md lists.
type event struct {
	Type     string `json:"type"`
	Sequence int64  `json:"sequence"`
	Data     struct {
		ID    string `json:"id"`
		State string `json:"state"`
	} `json:"data"`
}

// isValid tells whether the service signed these bytes within the last five minutes.
func isValid(keys [][]byte, header http.Header, body []byte) bool {
	timestamp := header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return false
	}
	if age := time.Since(time.Unix(seconds, 0)); age < -5*time.Minute || age > 5*time.Minute {
		return false
	}
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", header.Get("webhook-id"), timestamp, body)
		expected := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		for _, signature := range strings.Split(header.Get("webhook-signature"), " ") {
			if hmac.Equal(expected, []byte(signature)) {
				return true
			}
		}
	}
	return false
}

// store keeps an event. False: the shop has it, or a later one of the same delivery.
func store(received event, body []byte) (bool, error) {
	lock.Lock()
	defer lock.Unlock()
	file := filepath.Join(states, received.Data.ID+".json")
	content, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	if err == nil {
		var last event
		if err := json.Unmarshal(content, &last); err != nil {
			return false, err
		}
		if last.Sequence >= received.Sequence {
			return false, nil
		}
	}
	return true, write(file, body)
}

func write(file string, content []byte) error {
	stream, err := os.Create(file + ".new")
	if err != nil {
		return err
	}
	defer stream.Close()
	if _, err := stream.Write(content); err != nil {
		return err
	}
	if err := stream.Sync(); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// handle does what takes longer: update the order, mail the buyer. Do it from what is stored, to survive a crash.
func handle(received event) {
	fmt.Println(received.Type, received.Data.ID, received.Data.State)
}

func receive(keys [][]byte) http.HandlerFunc {
	return func(response http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(response, request.Body, bodyMax))
		if err != nil {
			response.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		if request.Method != http.MethodPost || !isValid(keys, request.Header, body) {
			response.WriteHeader(http.StatusUnauthorized)
			return
		}
		var received event
		if err := json.Unmarshal(body, &received); err != nil {
			response.WriteHeader(http.StatusBadRequest)
			return
		}
		// Other types are about courses and learners, and later versions may add some.
		if strings.HasPrefix(received.Type, "delivery.") {
			isNews, err := store(received, body)
			if err != nil {
				log.Print(err)
				response.WriteHeader(http.StatusInternalServerError)
				return
			}
			if isNews {
				go handle(received)
			}
		}
		response.WriteHeader(http.StatusNoContent)
	}
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	keys := [][]byte{}
	for _, secret := range strings.Fields(secrets) {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(key) < keyMin {
			log.Fatalf("LERNITO_EVENTS_SECRET must be whsec_ and at least %d bytes in base64", keyMin)
		}
		keys = append(keys, key)
	}
	if err := os.MkdirAll(states, 0o700); err != nil {
		log.Fatal(err)
	}
	server := http.Server{
		Addr:        "127.0.0.1:" + env("PORT", "8792"),
		Handler:     receive(keys),
		ReadTimeout: 15 * time.Second,
	}
	log.Fatal(server.ListenAndServe())
}
