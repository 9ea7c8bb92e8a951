// Package client has a Veracode-compatible platform for tests.
package client

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Platform is up until its test ends.
type Platform struct {
	URL       string `json:"rest_url"`
	CAFile    string `json:"ca_file"`
	APIID     string `json:"api_id"`
	APISecret string `json:"api_secret"`
	home      string
}

func program() string {
	if path := os.Getenv("COUNTERSIGN_PROGRAM"); path != "" {
		return path
	}
	return "countersign"
}

// Start starts one with the demo tenant.
func Start(t *testing.T) *Platform {
	t.Helper()
	folder := t.TempDir()
	platform := &Platform{home: filepath.Join(folder, "home")}
	ready := filepath.Join(folder, "ready.json")
	command := exec.Command(program(), "--home", platform.home, "--quiet", "platform", "serve",
		"--listen", "127.0.0.1:0", "--console", "off", "--ready-file", ready)
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			_ = command.Process.Kill()
		}
	})
	for until := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if text, err := os.ReadFile(ready); err == nil {
			if err := json.Unmarshal(text, platform); err != nil {
				t.Fatal(err)
			}
			break
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the platform ended: %v", err)
		default:
		}
		if time.Now().After(until) {
			t.Fatal("the platform was not ready after a minute")
		}
	}
	pair := platform.run(t, "platform", "mint", "--json", "--user", "test",
		"--role", "resultsapi", "--role", "noteamrestrictionapi")
	if err := json.Unmarshal(pair, platform); err != nil {
		t.Fatal(err)
	}
	return platform
}

// run is what countersign prints, with the credentials in its environment.
func (p *Platform) run(t *testing.T, words ...string) []byte {
	t.Helper()
	command := exec.Command(program(), append([]string{"--home", p.home}, words...)...)
	command.Stderr = os.Stderr
	command.Env = os.Environ()
	if p.APISecret != "" {
		command.Env = append(command.Env, "VERACODE_API_KEY_ID="+p.APIID,
			"VERACODE_API_KEY_SECRET="+p.APISecret, "VERACODE_OVERRIDE_API_BASE_URL="+p.URL)
	}
	printed, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	return printed
}

// Client trusts the platform's authority.
func (p *Platform) Client(t *testing.T) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(p.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("the authority cannot be read")
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
}
