// Pulls an image as Testcontainers for Go does before it starts a container.
package main

import (
	"context"
	"log"
	"os"

	"github.com/testcontainers/testcontainers-go"
)

func main() {
	provider, err := testcontainers.NewDockerProvider()
	if err != nil {
		log.Fatal(err)
	}
	if err := provider.PullImage(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}
