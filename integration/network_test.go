//go:build integration

package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/awsetl"
	"github.com/tidemark-data/etl/control/dynamocontrol"
)

// network is the way to the servers: each connection goes through a proxy that
// may delay, reset or cut it. Toxics stay as they are once a proxy is made, for
// toxiproxy cannot change them while connections come and go.
type network struct {
	http.Client
	clean   atomic.Bool
	proxies map[string][]string // addresses, by that of the server
	commits string              // the server of the catalog, where more goes wrong

	mu     sync.Mutex
	random *rand.Rand
	broken map[string]int // requests that got no answer, by what they were for
}

// toxics are what networks do. What is cut after few bytes of an answer has had
// its effect.
var toxics = []struct {
	kind, stream string
	attributes   map[string]any
}{
	{"latency", "downstream", map[string]any{"latency": 30, "jitter": 30}},
	{"reset_peer", "downstream", map[string]any{"timeout": 15}},
	{"reset_peer", "upstream", map[string]any{"timeout": 5}},
	{"limit_data", "downstream", map[string]any{"bytes": 1}},
	{"limit_data", "downstream", map[string]any{"bytes": 300}},
	{"limit_data", "upstream", map[string]any{"bytes": 900}},
	{"limit_data", "upstream", map[string]any{"bytes": 3000}},
	{"bandwidth", "upstream", map[string]any{"rate": 200}},
}

// newNetwork makes a proxy of each kind in front of each of the endpoints.
func newNetwork(t *testing.T, random *rand.Rand, endpoints ...string) *network {
	n := &network{proxies: map[string][]string{}, random: random, broken: map[string]int{}}
	n.Transport = &http.Transport{DialContext: n.dial, DisableKeepAlives: true}
	api := "http://" + startServer(t, "toxiproxy-server", "-host", "127.0.0.1", "-port", "{port}", "-seed", "1")
	for _, endpoint := range endpoints {
		upstream := strings.TrimPrefix(endpoint, "http://")
		for i, toxic := range toxics {
			p := &proxy{api: api, name: fmt.Sprint(upstream, "-", i)}
			var made struct{ Listen string }
			p.post(t, "/proxies", map[string]any{"name": p.name, "listen": "127.0.0.1:0", "upstream": upstream, "enabled": true}, &made)
			p.post(t, "/proxies/"+p.name+"/toxics", map[string]any{"type": toxic.kind, "stream": toxic.stream, "attributes": toxic.attributes}, nil)
			n.proxies[upstream] = append(n.proxies[upstream], made.Listen)
		}
	}
	return n
}

// dial lets one connection in six go through a proxy, of those to the catalog
// one in two.
func (n *network) dial(ctx context.Context, kind, addr string) (net.Conn, error) {
	n.mu.Lock()
	one := 6
	if addr == n.commits {
		one = 2
	}
	if all := n.proxies[addr]; len(all) > 0 && n.random.IntN(one) == 0 && !n.clean.Load() {
		addr = all[n.random.IntN(len(all))]
	}
	n.mu.Unlock()
	var d net.Dialer
	return d.DialContext(ctx, kind, addr)
}

// Do implements aws.HTTPClient.
func (n *network) Do(req *http.Request) (*http.Response, error) {
	res, err := n.Client.Do(req)
	if err != nil && req.Context().Err() == nil {
		what := "S3 " + req.Method
		if service, op, ok := strings.Cut(req.Header.Get("X-Amz-Target"), "."); ok {
			what = strings.TrimSuffix(service, "_20120810") + " " + op
		}
		n.mu.Lock()
		n.broken[what]++
		n.mu.Unlock()
	}
	return res, err
}

// TestPipelineOnABadNetwork is TestPipeline with landing and warehouse on a
// gateway for S3, and all servers behind a network that delays, resets and cuts
// connections, in the middle of commits too. DynamoDB is DynamoDB Local where the
// environment names one, else the fake.
func TestPipelineOnABadNetwork(t *testing.T) {
	const files, shopTables = 120, 6
	seed := seedOf(t)
	c := startStores(t)
	f := newFakes(t, seed, shopTables)
	clean := c
	if os.Getenv("TIDEMARK_DYNAMODB_ENDPOINT") == "" {
		t.Log("DynamoDB is the fake: TIDEMARK_DYNAMODB_ENDPOINT is not set")
		require.NoError(t, dynamocontrol.CreateTable(t.Context(), f.dynamo, c.Item))
		c.dynamo, clean.dynamo = f.dynamo, f.dynamo
	} else {
		require.NoError(t, dynamocontrol.CreateTable(t.Context(), dynamoService(t), c.Item))
		c.Dynamo = os.Getenv("TIDEMARK_DYNAMODB_ENDPOINT")
		clean.Dynamo = c.Dynamo
	}
	endpoints := []string{c.S3, c.Glue}
	if c.Dynamo != "" {
		endpoints = append(endpoints, c.Dynamo)
	}
	wires := newNetwork(t, rand.New(rand.NewPCG(seed, 5)), endpoints...)
	wires.commits = strings.TrimPrefix(c.Glue, "http://")
	c.http = wires
	f.put, f.ledger, f.wholeSeconds = clean.put, clean.ledger(t), true
	f.open = func(p *process) (*awsetl.Handler, error) {
		mine := c
		mine.dynamo, mine.queue = mortalDynamo{p, c.dynamoDB()}, mortalSQS{p, f.sqs}
		return mine.open(p, f.shop.declared())
	}
	f.kills.Store(4)

	begun := time.Now()
	f.run(seed, files)
	wires.clean.Store(true)
	worked := time.Since(begun)
	f.heal()
	clean.check(t, f.shop)
	wires.mu.Lock()
	defer wires.mu.Unlock()
	t.Logf("%d files, %d tables, %d killed; worked %.1f s, at rest after %.1f s; without an answer: %v",
		f.mail.sent, shopTables, f.killed.Load(), worked.Seconds(), time.Since(begun).Seconds(), wires.broken)
	require.Positive(t, wires.broken["AWSGlue UpdateTable"], "no commit was cut")
	require.Positive(t, wires.broken["S3 PUT"], "no file of the warehouse was cut")
}
