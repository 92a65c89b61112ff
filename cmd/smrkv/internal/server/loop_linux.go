package server

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// An event loop serves many connections: it waits until some have input, and
// serves those one after the other. Against a goroutine for each, that saves the
// reads that find nothing, and the wake-ups: the more connections have input, the
// fewer system calls and switches there are for each.
//
// # Blocking
//
// The loop is not a goroutine but a role that one holds at a time. Commands are
// written as if each connection had a goroutine, and may block. Before one does,
// its goroutine hands the role to a new one, which goes on with the others; it is
// its connection's own from then on, until the commands that have arrived are
// done. Then the connection goes back to the loop, and the goroutine ends.
//
//	holder ──▶ serve a ──▶ serve b ──▶ b is about to block ──▶ (b's own) ──▶ add b again, end
//	                                         └─ go: serve c ──▶ wait ──▶ ...
//
// So no connection holds up others for longer than a short command takes, and
// nothing in a command's code is turned inside out.
type loop struct {
	ep   int // epoll(7), level-triggered
	bye  int // eventfd(2) that tells the loop to end
	bell int // eventfd(2), edge-triggered: there is one in woken

	// Belong to the holder of the role.
	events []unix.EpollEvent
	ready  queue // those with input
	served queue // those with replies, or messages
	now    int64 // when they were served

	running sync.WaitGroup // holders

	mu    sync.Mutex
	conns map[int32]*fdConn // by file descriptor
	woken []*fdConn         // since wait; some may be in no loop any more
	ended bool              // bell may be another's
}

// maxEvents bounds a batch of connections.
const maxEvents = 256

// newLoop returns a loop that runs until end.
func newLoop() (*loop, error) {
	l := &loop{ep: -1, bye: -1, bell: -1, events: make([]unix.EpollEvent, maxEvents), conns: make(map[int32]*fdConn)}
	err := l.open()
	if err != nil {
		l.close()
		return nil, fmt.Errorf("server: event loop: %w", err)
	}
	l.running.Go(l.run)
	return l, nil
}

func (l *loop) open() (err error) {
	if l.ep, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if l.bye, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return err
	}
	if l.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return err
	}
	if err = unix.EpollCtl(l.ep, unix.EPOLL_CTL_ADD, l.bell, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(l.bell)}); err != nil {
		return err
	}
	return unix.EpollCtl(l.ep, unix.EPOLL_CTL_ADD, l.bye, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(l.bye)})
}

var one = []byte{1, 0, 0, 0, 0, 0, 0, 0}

// wake has a connection served that has messages, if it is in the loop. One that is not
// finds them when it comes back: see add.
func (l *loop) wake(t *fdConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wakeLocked(t)
}

func (l *loop) wakeLocked(t *fdConn) {
	if l.woken = append(l.woken, t); len(l.woken) == 1 && !l.ended {
		unix.Write(l.bell, one) // can't fail: it is not read, and has room for 2^64 - 2
	}
}

func (l *loop) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	for _, fd := range []int{l.ep, l.bye, l.bell} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// end ends the loop, which must have no connections any more.
func (l *loop) end() {
	unix.Write(l.bye, one) // can't fail: there is room for one
	l.running.Wait()
	l.close()
}

// add gives a connection to the loop, which serves it when one of the events
// happens. The map and the kernel's list are changed together: an event is then of
// the connection that the map says, or of one that was removed meanwhile.
func (l *loop) add(t *fdConn, events uint32) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := unix.EpollCtl(l.ep, unix.EPOLL_CTL_ADD, t.fd, &unix.EpollEvent{Events: events, Fd: int32(t.fd)})
	if err == nil {
		l.conns[int32(t.fd)] = t
		if !t.lent && t.c.sub != nil && t.c.sub.pending() { // wait may have met it in woken before
			l.wakeLocked(t)
		}
	}
	return err
}

const input = unix.EPOLLIN | unix.EPOLLRDHUP

// remove takes a connection from the loop. Only who serves it may do so: then it
// is not among those ready.
func (l *loop) remove(t *fdConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, int32(t.fd))
	t.ready, t.lent = nil, false
	unix.EpollCtl(l.ep, unix.EPOLL_CTL_DEL, t.fd, nil) // can't fail: it was added
}

// run holds the role until the loop ends or a connection needs the goroutine.
//
// Replies are written when all that were ready have been served. Then their
// clients come back together as well, and the next batch is as large; a client
// that is many connections, such as a proxy, is woken once for many replies.
func (l *loop) run() {
	for {
		for t := l.ready.pop(); t != nil; t = l.ready.pop() {
			if !t.serve() {
				return
			}
		}
		l.now = time.Now().UnixNano()
		for t := l.served.pop(); t != nil; t = l.served.pop() {
			if !t.finish() {
				return
			}
		}
		if !l.wait() {
			return
		}
	}
}

// A queue is a part of a batch.
type queue struct {
	list []*fdConn
	next int
}

func (q *queue) push(t *fdConn) { q.list = append(q.list, t) }

// pop returns nil when the queue is empty, and starts it anew.
func (q *queue) pop() *fdConn {
	if q.next == len(q.list) {
		q.list, q.next = q.list[:0], 0
		return nil
	}
	t := q.list[q.next]
	q.list[q.next] = nil
	q.next++
	return t
}

// handOver gives the role to another goroutine.
func (l *loop) handOver() { l.running.Go(l.run) }

// wait waits until some connections are ready. It reports false when the loop is
// to end.
func (l *loop) wait() bool {
	n, err := epollNow(l.ep, l.events), error(nil)
	if n == 0 {
		n, err = unix.EpollWait(l.ep, l.events, -1)
	}
	if err != nil && !errors.Is(err, unix.EINTR) {
		panic(fmt.Sprintf("server: epoll_wait: %v", err)) // for a wrong argument only
	}
	goOn := true
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events[:max(n, 0)] {
		t := l.conns[e.Fd]
		switch {
		case int(e.Fd) == l.bye:
			goOn = false
		case t == nil: // removed meanwhile
		case t.ready != nil:
			close(t.ready)
			t.ready = nil
		default:
			t.due = true
			l.ready.push(t)
		}
	}
	for i, t := range l.woken {
		if l.conns[int32(t.fd)] == t && !t.lent && !t.due {
			t.due, t.inLoop = true, true
			l.served.push(t)
		}
		l.woken[i] = nil
	}
	l.woken = l.woken[:0]
	return goOn
}
