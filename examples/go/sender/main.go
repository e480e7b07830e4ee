// Command sender sends a shop's sales and refunds to lernito-openedx, and asks for their results.
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"
)

const usage = `sender sell   ORDER EMAIL NAME FAMILY COURSE...   sell courses to a buyer
sender refund ORDER EMAIL NAME FAMILY COURSE...   take the buyer out of them
sender resume                                     send what is in the queue
sender status DELIVERY...                         print the state of sales

ORDER is the shop's number of the order. The same command again is a repeat, which
does no harm. A corrected sale is another one, so it needs another number. A refund
of other courses of the order is another refund.`

const (
	salePath   = "/api/lernito/webhook/"
	refundPath = "/api/lernito/refund/"
	statusPath = "/api/lernito/status/"
)

var (
	service = strings.TrimRight(env("LERNITO_URL", "http://127.0.0.1:8790"), "/")
	secret  = env("LERNITO_WEBHOOK_SECRET", "lernito-sandbox-secret")
	queue   = env("LERNITO_QUEUE", "lernito-queue")
	orderID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,200}$`)
)

// A job is a request in the queue. Body is the text that is signed and sent.
type job struct {
	ID   string `json:"id"`
	Path string `json:"path"`
	Body string `json:"body"`
}

// An answer without a status is none.
type answer struct {
	status int
	header http.Header
	text   string
}

// success is what the service says. The page of a proxy says nothing.
func (got answer) success() *bool {
	var body struct {
		Success *bool `json:"success"`
	}
	if err := json.Unmarshal([]byte(got.text), &body); err != nil {
		return nil
	}
	return body.Success
}

func sign(secret, id string, timestamp int64, body string) (string, error) {
	key := []byte(secret)
	if encoded := strings.TrimPrefix(secret, "whsec_"); encoded != secret {
		decoded, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return "", fmt.Errorf("LERNITO_WEBHOOK_SECRET: %w", err)
		}
		key = decoded
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", id, timestamp, body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

var client = &http.Client{
	Timeout:       15 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// post signs a request with the time of now, and sends it once.
func post(path, id, body string) (answer, error) {
	now := time.Now().Unix()
	signature, err := sign(secret, id, now, body)
	if err != nil {
		return answer{}, err
	}
	request, err := http.NewRequest(http.MethodPost, service+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("webhook-id", id)
	request.Header.Set("webhook-timestamp", strconv.FormatInt(now, 10))
	request.Header.Set("webhook-signature", signature)
	response, err := client.Do(request)
	if err != nil {
		return answer{header: http.Header{}, text: err.Error()}, nil
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{header: http.Header{}, text: err.Error()}, nil
	}
	return answer{status: response.StatusCode, header: response.Header, text: string(text)}, nil
}

// deliver sends a request of the queue until the service has it. After an error, a person has to look at it.
func deliver(file string) error {
	content, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil // another process has delivered it
	}
	if err != nil {
		return err
	}
	var request job
	if err := json.Unmarshal(content, &request); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	waits := waits()
	for attempt := 0; ; attempt++ {
		got, err := post(request.Path, request.ID, request.Body)
		if err != nil {
			return err
		}
		delivery := got.header.Get("X-Lernito-Delivery") // store it with the order
		fmt.Printf("%s: %d %s delivery=%s\n", request.ID, got.status, got.text, delivery)
		if isAccepted(request.Path, got, delivery) {
			if err := os.Remove(file); !errors.Is(err, os.ErrNotExist) {
				return err
			}
			return nil
		}
		if attempt == len(waits) || !isUnknown(got, delivery) {
			return fmt.Errorf("%s stays in the queue: tell a person", request.ID)
		}
		wait := retryAfter(got.header, waits[attempt])
		fmt.Printf("%s is sent again in %.0f seconds\n", request.ID, wait.Seconds())
		time.Sleep(wait)
	}
}

// isAccepted: after a 500 with a delivery, the sale is stored, and the service enrolls the buyer later. A refund needs a
// 200.
func isAccepted(path string, got answer, delivery string) bool {
	success := got.success()
	isOfService := delivery != "" || (success != nil && *success)
	switch got.status {
	case http.StatusOK:
		return isOfService
	case http.StatusAccepted:
		return isOfService && path == salePath
	}
	return got.status == http.StatusInternalServerError && delivery != "" && path == salePath
}

// isUnknown tells whether to send the same again, unless it is accepted: nobody knows if the request was stored. Without
// a delivery, a 500 may be of a proxy, as a 403 without the service's JSON is.
func isUnknown(got answer, delivery string) bool {
	switch got.status {
	case 0, http.StatusOK, http.StatusAccepted, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	case http.StatusForbidden:
		return got.success() == nil
	case http.StatusInternalServerError:
		return delivery == ""
	}
	return got.status > http.StatusInternalServerError
}

// waits are the times between the attempts, unless the answer has a Retry-After: about a day in all.
func waits() []time.Duration {
	waits := []time.Duration{30 * time.Second, 2 * time.Minute, 10 * time.Minute}
	for len(waits) < 26 {
		waits = append(waits, time.Hour)
	}
	return waits
}

func retryAfter(header http.Header, otherwise time.Duration) time.Duration {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return otherwise
	}
	if seconds > 3600 {
		seconds = 3600
	}
	return time.Duration(seconds) * time.Second
}

// enqueue stores a request before it is sent, so that every repeat has the same id and the same bytes.
func enqueue(path, id string, payload map[string]any) (string, error) {
	if !orderID.MatchString(id) {
		return "", errors.New("ORDER may have letters, digits, - and _")
	}
	file := filepath.Join(queue, id+".json")
	body, err := json.Marshal(payload)
	if err != nil {
		return "", err
	}
	content, err := json.Marshal(job{ID: id, Path: path, Body: string(body)})
	if err != nil {
		return "", err
	}
	queued, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	if bytes.Equal(queued, content) {
		return file, nil
	}
	// A refund that stays in the queue with a wrong body was not accepted, so the corrected one takes its place.
	if err == nil && path == salePath {
		const problem = "%s is in the queue with another body: use another number, and remove %s if it is wrong"
		return "", fmt.Errorf(problem, id, file)
	}
	if err := os.MkdirAll(queue, 0o700); err != nil {
		return "", err
	}
	return file, write(file, content)
}

func write(file string, content []byte) error {
	stream, err := os.Create(file + ".new")
	if err != nil {
		return err
	}
	defer stream.Close()
	if _, err := io.Copy(stream, bytes.NewReader(content)); err != nil {
		return err
	}
	if err := stream.Sync(); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// resume sends the oldest request first, so that a refund follows its sale.
func resume() error {
	files, err := filepath.Glob(filepath.Join(queue, "*.json"))
	if err != nil {
		return err
	}
	times := map[string]time.Time{}
	for _, file := range files {
		info, err := os.Stat(file)
		if errors.Is(err, os.ErrNotExist) {
			continue // another process has delivered it
		}
		if err != nil {
			return err
		}
		times[file] = info.ModTime()
	}
	sort.Slice(files, func(a, b int) bool { return times[files[a]].Before(times[files[b]]) })
	var failed error
	for _, file := range files {
		if err := deliver(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			failed = errors.New("not everything was sent")
		}
	}
	return failed
}

func status(deliveries []string) error {
	body, err := json.Marshal(map[string]any{"deliveries": deliveries})
	if err != nil {
		return err
	}
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	got, err := post(statusPath, "status-"+hex.EncodeToString(random), string(body))
	if err != nil {
		return err
	}
	fmt.Println(got.text)
	if got.status != http.StatusOK {
		return fmt.Errorf("the answer was %d", got.status)
	}
	return nil
}

func run(command string, arguments []string) error {
	switch {
	case command == "resume" && len(arguments) == 0:
		return resume()
	case command == "status" && len(arguments) > 0:
		return status(arguments)
	case (command == "sell" || command == "refund") && len(arguments) >= 5:
		order, email := arguments[0], arguments[1]
		username, _, _ := strings.Cut(email, "@")
		payload := map[string]any{
			"email": email, "name": arguments[2], "family": arguments[3],
			"username": username, "courseIds": arguments[4:],
			"order": order, // so that two orders of the same courses are two sales
		}
		path, id := salePath, "order-"+order
		if command == "refund" {
			part := sha256.Sum256([]byte(strings.Join(arguments[4:], " ")))
			path, id = refundPath, fmt.Sprintf("refund-%s-%x", order, part[:4])
			payload["sale"] = "order-" + order
		}
		file, err := enqueue(path, id, payload)
		if err != nil {
			return err
		}
		return deliver(file)
	}
	return errors.New(usage)
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	command, arguments := "", []string{}
	if len(os.Args) > 1 {
		command, arguments = os.Args[1], os.Args[2:]
	}
	if err := run(command, arguments); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
