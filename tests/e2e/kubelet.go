// Prints, as JSON, the logins that the kubelet tries for an image, in its order.
package main

import (
	"encoding/json"
	"os"

	"k8s.io/kubernetes/pkg/credentialprovider"
)

func main() {
	credentialprovider.SetPreferredDockercfgPath("/var/lib/kubelet") // its --root-dir, as the kubelet does
	logins := [][2]string{}
	found, _ := credentialprovider.NewDefaultDockerKeyring().Lookup(os.Args[1])
	for _, one := range found {
		logins = append(logins, [2]string{one.Username, one.Password})
	}
	if err := json.NewEncoder(os.Stdout).Encode(logins); err != nil {
		panic(err)
	}
}
