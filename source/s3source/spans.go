package s3source

import "slices"

// span is a piece of an object, fetched or being fetched.
type span struct {
	off, end int64
	stride   int64 // how long it was meant to be, before its neighbour cut it short
	data     []byte
	err      error
	ready    bool
	pins     int   // reads that look at it
	used     int64 // when last
	ahead    bool  // fetched ahead, and not asked for yet
}

// Callers of the methods below hold mu.

// find returns the span that has the byte at off and reaches farthest.
func (in *input) find(off int64) *span {
	var best *span
	for _, sp := range in.spans {
		if sp.off <= off && off < sp.end && (best == nil || sp.end > best.end) {
			best = sp
		}
	}
	return best
}

// demand begins the fetch of a span that is needed now; nil where there is no
// room until other reads let go.
func (in *input) demand(off, want int64) *span {
	stride := min(max(want, in.stride(off)), in.src.opts.PartSize)
	end := in.cut(off, stride)
	if !in.makeRoom(end-off, false) {
		return nil
	}
	return in.begin(off, end, stride)
}

// growth is by how much fetches grow that follow each other: 64 KiB, 1 MiB, all
// of a part. What is fetched in vain takes less time than a request's latency.
const growth = 16

// stride is how much to fetch at off: more than the fetch that ended there,
// little where none did.
func (in *input) stride(off int64) int64 {
	stride := int64(minPartSize)
	for _, r := range in.runs {
		if r.end == off && r.stride > 0 {
			stride = max(stride, growth*r.stride)
		}
	}
	return stride
}

// cut is where a span from off on ends: at the object's end or the next span.
func (in *input) cut(off, stride int64) int64 {
	end := min(off+stride, in.Size())
	for _, sp := range in.spans {
		if off < sp.off && sp.off < end {
			end = sp.off
		}
	}
	return end
}

// readAhead begins fetches behind a span that was reached by reading on.
func (in *input) readAhead(from *span) {
	part := in.src.opts.PartSize
	if from.stride < part {
		return
	}
	for at, n := from.end, 1; n < in.src.opts.Parts && at < in.Size(); n++ {
		if sp := in.find(at); sp != nil {
			at = sp.end
			continue
		}
		end := in.cut(at, part)
		if in.src.memory.Load()+end-at > in.src.opts.Memory || !in.makeRoom(end-at, true) {
			return
		}
		in.begin(at, end, part).ahead = true
		at = end
	}
}

// makeRoom drops spans until there is room for that many bytes. What was fetched
// ahead stays, unless something is needed now.
func (in *input) makeRoom(bytes int64, ahead bool) bool {
	limit := int64(in.src.opts.Parts) * in.src.opts.PartSize
	for in.held+bytes > limit {
		var victim *span
		for _, sp := range in.spans {
			free := sp.ready && sp.pins == 0 && (!ahead || !sp.ahead)
			if free && (victim == nil || sp.ahead == victim.ahead && sp.used < victim.used || victim.ahead && !sp.ahead) {
				victim = sp
			}
		}
		if victim == nil {
			return false
		}
		in.drop(victim)
	}
	return true
}

func (in *input) begin(off, end, stride int64) *span {
	sp := &span{off: off, end: end, stride: stride, used: in.clock}
	in.insert(sp)
	in.work.Add(1)
	go in.load(sp)
	return sp
}

func (in *input) insert(sp *span) {
	in.spans = append(in.spans, sp)
	in.held += sp.end - sp.off
	in.src.memory.Add(sp.end - sp.off)
	in.runs[in.nextTo] = run{sp.end, sp.stride}
	in.nextTo = (in.nextTo + 1) % len(in.runs)
}

func (in *input) drop(sp *span) {
	if i := slices.Index(in.spans, sp); i >= 0 {
		in.spans = slices.Delete(in.spans, i, i+1)
		in.held -= sp.end - sp.off
		in.src.memory.Add(sp.off - sp.end)
	}
}
