// Package vm runs programs on several workers that allocate without locks. When a worker's area is full
// all of them stop, and each moves what it can still reach. Code is replaced while it runs.
package vm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/stw"
)

// An Op is an instruction.
type Op byte

// The instructions of a stack machine whose values are pairs or numbers.
const (
	Push Op = iota // its argument
	Cons           // a pair of the two topmost values
	Head           // the first of a pair
	Tail           // the second of a pair
	Add            // the sum of two numbers
	Dup
	Drop
	Call // the function whose number is the argument
	Loop // while the counter is not 0: to the argument
	Ret
)

// An Instr is an instruction with its argument.
type Instr struct {
	Op  Op
	Arg int64
}

// Code is a version of all functions. It is counted down when no worker can be running it.
type code struct {
	funcs [][]Instr
	over  chan<- int
	n     int
}

func (c *code) end() {
	select {
	case c.over <- c.n:
	default:
	}
}

// Errors of programs.
var (
	ErrType      = errors.New("vm: wrong type")
	ErrUnderflow = errors.New("vm: stack is empty")
)

// A value is a number, or a reference to a pair in an area: then its lowest bit is set.
type value uint64

func number(n int64) value  { return value(n << 1) }
func (v value) isRef() bool { return v&1 != 0 }
func (v value) num() int64  { return int64(v) >> 1 }
func (v value) index() int  { return int(v >> 1) }
func reference(i int) value { return value(i<<1 | 1) }

// A heap is what one worker has allocated: pairs in blocks of its area, by their numbers.
type heap struct {
	pairs [][]byte
	next  [][]byte // while it is evacuated
	moved map[int]int
}

// maxArea is up to what size areas grow.
const maxArea = 16 << 10

// A Machine has workers and code.
type Machine struct {
	dom   *smr.Domain
	world *stw.World
	area  *stw.Reservation
	heaps *stw.Key[*heap]
	code  smr.Pointer[code]
	Ended chan int // numbers of versions that no worker runs any more

	mu       sync.Mutex
	versions int
}

// New returns a machine with functions.
func New(area int, funcs ...[]Instr) (*Machine, error) {
	dom, err := smr.New(smr.Options{Name: "code"})
	if err != nil {
		return nil, err
	}
	m := &Machine{dom: dom, Ended: make(chan int, 100)}
	m.code.Init(&code{funcs: funcs, over: m.Ended})
	if m.world, err = stw.NewWorld(stw.Options{Max: 8, SMR: []*smr.Domain{dom}}); err != nil {
		return nil, errors.Join(err, dom.Close(context.Background()))
	}
	if m.area, err = m.world.NewReservation(area); err != nil {
		return nil, errors.Join(err, dom.Close(context.Background()))
	}
	m.heaps = stw.NewKey(func(*stw.Domain) *heap { return new(heap) })
	return m, nil
}

// SetCode replaces the code. A function that runs goes on in the new one with its next instruction.
func (m *Machine) SetCode(funcs ...[]Instr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.versions++
	old := m.code.LoadSerialized()
	m.code.Store(&code{funcs: funcs, over: m.Ended, n: m.versions})
	smr.Call(m.dom, old, 0, (*code).end)
}

// A worker runs one program. Its stack is a frame of roots.
type worker struct {
	m     *Machine
	d     *stw.Domain
	heap  *heap
	stack []uintptr
	sp    int
}

func (w *worker) push(v value) error {
	if w.sp == len(w.stack) {
		return errors.New("vm: stack overflow")
	}
	w.stack[w.sp] = uintptr(v)
	w.sp++
	return nil
}

func (w *worker) pop() (value, error) {
	if w.sp == 0 {
		return 0, ErrUnderflow
	}
	w.sp--
	v := value(w.stack[w.sp])
	w.stack[w.sp] = 0
	return v, nil
}

// cons makes a pair of the two topmost values. They stay on the stack until it has memory, where a
// collection finds them.
func (w *worker) cons() error {
	if w.sp < 2 {
		return ErrUnderflow
	}
	b, err := w.m.area.Alloc(w.d, 16)
	if errors.Is(err, stw.ErrExhausted) {
		if err = w.m.collect(w.d); err == nil {
			b, err = w.m.area.Alloc(w.d, 16)
		}
	}
	if err != nil {
		return err
	}
	tail, _ := w.pop()
	head, _ := w.pop()
	binary.LittleEndian.PutUint64(b, uint64(head))
	binary.LittleEndian.PutUint64(b[8:], uint64(tail))
	w.heap.pairs = append(w.heap.pairs, b)
	return w.push(reference(len(w.heap.pairs) - 1))
}

// half returns a half of the pair on top of the stack, in its place.
func (w *worker) half(at int) error {
	v, err := w.pop()
	if err != nil {
		return err
	}
	if !v.isRef() {
		return ErrType
	}
	return w.push(value(binary.LittleEndian.Uint64(w.heap.pairs[v.index()][at:])))
}

// call runs a function. It loads the code anew after each safe point, knows the function by its number,
// and ends early if a new version no longer has it.
func (w *worker) call(fn int64, depth int) error {
	if depth > 100 {
		return errors.New("vm: calls are too deep")
	}
	count := int64(10)
	for pc := 0; ; pc++ {
		w.d.Poll()
		c := w.m.code.Load(w.d.Section())
		if fn < 0 || fn >= int64(len(c.funcs)) || pc >= len(c.funcs[fn]) {
			return nil
		}
		in := c.funcs[fn][pc] // a copy: what follows may come to a safe point
		var err error
		switch in.Op {
		case Push:
			err = w.push(number(in.Arg))
		case Cons:
			err = w.cons()
		case Head:
			err = w.half(0)
		case Tail:
			err = w.half(8)
		case Add:
			var a, b value
			if a, err = w.pop(); err != nil {
				return err
			}
			if b, err = w.pop(); err != nil {
				return err
			}
			if a.isRef() || b.isRef() {
				return ErrType
			}
			err = w.push(number(a.num() + b.num()))
		case Dup:
			if w.sp == 0 {
				return ErrUnderflow
			}
			err = w.push(value(w.stack[w.sp-1]))
		case Drop:
			_, err = w.pop()
		case Call:
			err = w.call(in.Arg, depth+1)
		case Loop:
			if count--; count > 0 {
				pc = int(in.Arg) - 1
			}
		case Ret:
			return nil
		default:
			return fmt.Errorf("vm: no instruction %d", in.Op)
		}
		if err != nil {
			return err
		}
	}
}

// Run runs a function on a new worker, and returns the number that it leaves.
func (m *Machine) Run(ctx context.Context, fn int64) (int64, error) {
	var result value
	var failed error
	d, err := m.world.Spawn(func(d *stw.Domain) {
		w := &worker{m: m, d: d, heap: m.heaps.Get(d), stack: d.PushRoots(64)}
		defer d.PopRoots()
		if failed = w.call(fn, 0); failed == nil {
			result, failed = w.pop()
		}
	})
	if err != nil {
		return 0, err
	}
	if err := d.Join(ctx); err != nil {
		return 0, err // it may still run
	}
	return result.num(), failed
}

// collect empties all areas, after each worker has saved what it can reach, and makes them larger if
// they are small.
func (m *Machine) collect(d *stw.Domain) error {
	var err error
	if size := m.area.Area(); size < maxArea {
		err = m.area.GrowTo(d, 2*size, m.evacuate)
	} else {
		err = m.area.Reset(d, m.evacuate)
	}
	if err != nil {
		return fmt.Errorf("vm: %w", err)
	}
	return nil
}

// evacuate copies what a worker can reach out of its area.
func (m *Machine) evacuate(d *stw.Domain, _ *stw.Stop) {
	h := m.heaps.Get(d)
	h.next, h.moved = nil, make(map[int]int)
	d.Scan(func(frame []uintptr) error {
		for i, word := range frame {
			frame[i] = uintptr(h.move(value(word)))
		}
		return nil
	})
	h.pairs, h.next, h.moved = h.next, nil, nil
}

// move moves a pair, and what it leads to.
func (h *heap) move(v value) value {
	if !v.isRef() {
		return v
	}
	i := v.index()
	if to, ok := h.moved[i]; ok {
		return reference(to)
	}
	pair := append([]byte(nil), h.pairs[i]...)
	to := len(h.next)
	h.next = append(h.next, pair)
	h.moved[i] = to
	for at := 0; at < 16; at += 8 {
		half := h.move(value(binary.LittleEndian.Uint64(pair[at:])))
		binary.LittleEndian.PutUint64(pair[at:], uint64(half))
	}
	return reference(to)
}

// Close waits for the workers, and gives the memory back.
func (m *Machine) Close(ctx context.Context) error {
	d, err := m.world.Register()
	if err != nil {
		return err
	}
	m.area.Release(d)
	d.Deregister()
	return errors.Join(m.world.Close(ctx), m.dom.Close(ctx))
}
