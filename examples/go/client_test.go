package client

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestApplications(t *testing.T) {
	platform := Start(t)
	client := platform.Client(t)
	url := platform.URL + "/appsec/v1/applications?size=5"

	unsigned, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	unsigned.Body.Close()
	if unsigned.StatusCode != http.StatusUnauthorized {
		t.Fatalf("without a signature: %s", unsigned.Status)
	}

	// The client under test; put yours here.
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	header := strings.TrimSpace(string(platform.run(t, "sign", "--url", url)))
	request.Header.Set("Authorization", strings.TrimPrefix(header, "Authorization: "))
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var list struct {
		Page struct {
			Total int `json:"total_elements"`
		} `json:"page"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK || list.Page.Total != 60 {
		t.Fatalf("%s, %d applications", answer.Status, list.Page.Total)
	}
}
