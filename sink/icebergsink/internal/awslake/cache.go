package awslake

import (
	"container/list"
	"strings"
	"sync"
)

const (
	// cacheBytes bounds the manifests that a catalog keeps in memory.
	cacheBytes = 16 << 20
	// cacheObject is the largest that is kept.
	cacheObject = 1 << 20
)

// cache keeps manifests and manifest lists, which a load reads several times and
// the next load again. Their names are unique and their content never changes
// (Iceberg spec, "File System Operations"). The one used longest ago goes first.
// It is safe for concurrent use.
type cache struct {
	mu    sync.Mutex
	used  int
	order *list.List // of *cached, the latest first
	items map[string]*list.Element
}

type cached struct {
	location string
	content  []byte
}

func newCache() *cache { return &cache{order: list.New(), items: map[string]*list.Element{}} }

// cacheable reports whether a location is that of a manifest or a list of them.
func cacheable(location string) bool {
	return strings.HasSuffix(location, ".avro") && strings.Contains(location, "/metadata/")
}

// get returns the content, which must not be changed, or nil.
func (c *cache) get(location string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.items[location]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).content
}

// put keeps content, which must not change any more.
func (c *cache) put(location string, content []byte) {
	if !cacheable(location) || len(content) == 0 || len(content) > cacheObject {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(location)
	c.items[location] = c.order.PushFront(&cached{location, content})
	for c.used += len(content); c.used > cacheBytes; {
		c.forget(c.order.Back().Value.(*cached).location)
	}
}

func (c *cache) drop(location string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(location)
}

func (c *cache) forget(location string) {
	if e := c.items[location]; e != nil {
		c.used -= len(e.Value.(*cached).content)
		c.order.Remove(e)
		delete(c.items, location)
	}
}
