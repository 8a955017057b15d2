package s3source

// Held is how many bytes open files hold.
func (s *Source) Held() int64 { return s.memory.Load() }

// Spooled is how many bytes of disk are given away.
func (s *Source) Spooled() int64 {
	s.spool.mu.Lock()
	defer s.spool.mu.Unlock()
	return s.spool.used
}
