// Package invindex is an inverted index: it finds the documents that have words. Posting lists are
// blocks off the Go heap; a list that changes is replaced, and readers of the old one go on.
package invindex

import (
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unsafe"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// A posting says how often a word is in a document.
type posting struct {
	Doc   uint32
	Count uint32
}

const postingLen = 8

// A list is a posting list, sorted by document. The block belongs to the index.
type list struct {
	block []byte
}

func (l list) len() int { return len(l.block) / postingLen }

func (l list) at(i int) posting {
	b := l.block[i*postingLen:]
	return posting{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])}
}

// all iterates over the postings. They are copies; the list is not.
func (l list) all() iter.Seq[posting] {
	return func(yield func(posting) bool) {
		for i := range l.len() {
			if !yield(l.at(i)) {
				return
			}
		}
	}
}

// seek returns the place of the first posting, from i on, whose document is not below doc.
func (l list) seek(i int, doc uint32) int {
	step := 1
	for i+step < l.len() && l.at(i+step).Doc < doc {
		i += step
		step *= 2
	}
	for i < l.len() && l.at(i).Doc < doc {
		i++
	}
	return i
}

// An Index has documents.
type Index struct {
	dom    *smr.Domain
	blocks *slab.Blocks
	words  *smrmap.Map[string, list]

	mu   sync.Mutex // writers
	docs int
}

// New returns an empty index.
func New(budget *slab.Budget) (*Index, error) {
	dom, err := smr.New(smr.Options{Name: "invindex"})
	if err != nil {
		return nil, err
	}
	words, err := smrmap.New[string, list](smrmap.Options{Domain: dom, Budget: budget})
	if err != nil {
		return nil, errors.Join(err, dom.Close(context.Background()))
	}
	return &Index{dom: dom, words: words, blocks: slab.NewBlocks(dom, slab.Options{Budget: budget})}, nil
}

func wordsOf(text string) map[string]uint32 {
	counts := make(map[string]uint32)
	for word := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		counts[word]++
	}
	return counts
}

// Add adds a document. Documents are numbered from 0.
func (x *Index) Add(ctx context.Context, text string) (doc int, err error) {
	if err := x.dom.Throttle(ctx); err != nil {
		return 0, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	doc = x.docs
	for word, n := range wordsOf(text) {
		if err := x.append(word, posting{uint32(doc), n}); err != nil {
			return 0, err
		}
	}
	x.docs++
	return doc, nil
}

// append adds a posting to the list of a word. The caller holds mu: nobody else replaces lists.
func (x *Index) append(word string, p posting) error {
	old, _ := x.words.Load(word)
	if n := old.len(); n > 0 && old.at(n-1).Doc == p.Doc {
		return nil // an Add failed half way, and is tried again
	}
	block, err := x.blocks.Get(len(old.block) + postingLen)
	if err != nil {
		return err
	}
	n := copy(block, old.block)
	binary.LittleEndian.PutUint32(block[n:], p.Doc)
	binary.LittleEndian.PutUint32(block[n+4:], p.Count)
	if err := x.words.Store(word, list{block}); err != nil {
		x.blocks.Free(block)
		return err
	}
	if old.block != nil {
		x.blocks.Retire(old.block)
	}
	return nil
}

// list returns the list of a word, borrowed in section s.
func (x *Index) list(s smr.Section, word string) list {
	p, ok := x.words.LoadIn(s, strings.ToLower(word))
	if !ok {
		return list{}
	}
	return *p
}

// Count returns in how many documents a word is.
func (x *Index) Count(word string) (n int) {
	x.words.View(strings.ToLower(word), func(l *list) { n = l.len() })
	return n
}

// A Hit is a document, and how well it matches.
type Hit struct {
	Doc   int
	Score uint32
}

// And returns the documents that have all words.
func (x *Index) And(words ...string) []Hit {
	s, ok := x.dom.TryEnter()
	if !ok || len(words) == 0 {
		if ok {
			s.Leave()
		}
		return nil
	}
	defer s.Leave()
	lists := make([]list, 0, len(words))
	for _, w := range words {
		l := x.list(s, w)
		if l.len() == 0 {
			return nil
		}
		lists = append(lists, l)
	}
	slices.SortFunc(lists, func(a, b list) int { return a.len() - b.len() })
	at := make([]int, len(lists))
	var hits []Hit
candidates:
	for p := range lists[0].all() {
		score := p.Count
		for i, l := range lists[1:] {
			at[i] = l.seek(at[i], p.Doc)
			if at[i] == l.len() {
				break candidates
			}
			q := l.at(at[i])
			if q.Doc != p.Doc {
				continue candidates
			}
			score += q.Count
		}
		hits = append(hits, Hit{int(p.Doc), score})
	}
	return hits
}

// Or returns the documents that have one of the words, the best first.
func (x *Index) Or(words ...string) []Hit {
	scores := make(map[uint32]uint32)
	for _, w := range words {
		x.dom.Read(func(s smr.Section) { // a section for each: lists may be long
			for p := range x.list(s, w).all() {
				scores[p.Doc] += p.Count
			}
		})
	}
	hits := make([]Hit, 0, len(scores))
	for doc, score := range scores {
		hits = append(hits, Hit{int(doc), score})
	}
	slices.SortFunc(hits, func(a, b Hit) int {
		if a.Score != b.Score {
			return int(b.Score) - int(a.Score)
		}
		return a.Doc - b.Doc
	})
	return hits
}

// An Iterator goes through the documents of a word as they were, however long it takes.
type Iterator struct {
	held smr.Held[byte] // the block, by its first byte
	l    list
	i    int
}

// Iterate returns an iterator, which is to be closed, or nil if no document has the word.
func (x *Index) Iterate(word string) *Iterator {
	s := x.dom.Enter()
	defer s.Leave()
	l := x.list(s, word)
	if l.block == nil {
		return nil
	}
	return &Iterator{held: smr.Hold(s, unsafe.SliceData(l.block)), l: l}
}

// Next returns the next document.
func (it *Iterator) Next() (doc int, ok bool) {
	if it.i == it.l.len() {
		return 0, false
	}
	p := it.l.at(it.i)
	it.i++
	return int(p.Doc), true
}

// Close ends the iterator.
func (it *Iterator) Close() {
	it.l = list{}
	it.held.Release()
}

// Prefix returns the words that begin with a prefix.
func (x *Index) Prefix(prefix string) []string {
	var words []string
	for w := range x.words.Keys() {
		if strings.HasPrefix(w, prefix) {
			words = append(words, w)
		}
	}
	slices.Sort(words)
	return words
}

// Forget drops a word, such as one that is in every document.
func (x *Index) Forget(word string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	old, ok := x.words.LoadAndDelete(strings.ToLower(word))
	if !ok {
		return false
	}
	x.blocks.Retire(old.block)
	return true
}

// Close drops all. Iterators are to be closed before.
func (x *Index) Close(ctx context.Context) error {
	for _, w := range x.Prefix("") {
		x.Forget(w)
	}
	return errors.Join(x.words.Close(ctx), x.blocks.Close(ctx), x.dom.Close(ctx))
}
