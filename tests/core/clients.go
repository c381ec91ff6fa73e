// Reads configs as docker/cli (configfile.LoadFromReader) and containers/image (dockerConfigFile) do: one base64 of a
// file per line of stdin; one JSON line per file on stdout.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
)

type dockerAuth struct {
	Username      string `json:"username,omitempty"`
	Password      string `json:"password,omitempty"`
	Auth          string `json:"auth,omitempty"`
	Email         string `json:"email,omitempty"`
	ServerAddress string `json:"serveraddress,omitempty"`
	IdentityToken string `json:"identitytoken,omitempty"`
	RegistryToken string `json:"registrytoken,omitempty"`
}

type dockerFile struct {
	AuthConfigs          map[string]dockerAuth `json:"auths"`
	CredentialsStore     string                `json:"credsStore,omitempty"`
	CredentialHelpers    map[string]string     `json:"credHelpers,omitempty"`
}

type podmanAuth struct {
	Auth          string `json:"auth,omitempty"`
	IdentityToken string `json:"identitytoken,omitempty"`
}

type podmanFile struct {
	AuthConfigs map[string]podmanAuth `json:"auths"`
	CredHelpers map[string]string     `json:"credHelpers,omitempty"`
}

type answer struct {
	Docker, Podman bool
	Store          string
	Helpers        map[string]string
	Auths          map[string]map[string]string
	Users          map[string]string
}

func decodeAuth(text string) (string, bool) {
	plain := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(plain, []byte(text))
	if err != nil || n > len(plain) {
		return "", false
	}
	user, _, ok := strings.Cut(string(plain[:n]), ":")
	return user, ok && user != ""
}

func main() {
	in, out := bufio.NewReaderSize(os.Stdin, 1<<24), bufio.NewWriter(os.Stdout)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		data, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(line))
		var docker dockerFile
		var podman podmanFile
		var got answer
		got.Docker = len(bytes.TrimSpace(data)) == 0 || json.NewDecoder(bytes.NewReader(data)).Decode(&docker) == nil
		got.Podman = len(bytes.TrimSpace(data)) == 0 || json.Unmarshal(data, &podman) == nil
		got.Store, got.Helpers = docker.CredentialsStore, docker.CredentialHelpers
		got.Auths, got.Users = map[string]map[string]string{}, map[string]string{}
		for host, entry := range docker.AuthConfigs {
			got.Auths[host] = map[string]string{"auth": entry.Auth, "identitytoken": entry.IdentityToken, "registrytoken": entry.RegistryToken}
			if user, ok := decodeAuth(entry.Auth); ok {
				got.Users[host] = user
			}
		}
		text, _ := json.Marshal(got)
		out.Write(append(text, '\n'))
		out.Flush()
	}
}
