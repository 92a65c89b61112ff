package smrvet

import (
	"go/types"
	"strings"

	"golang.org/x/tools/go/ssa"
)

const module = "github.com/gosmr/gosmr/"

// An api says what the rules need to know of a function of the library. Positions are those of the
// arguments in SSA: a method's receiver is argument 0. Zero means no; so positions are kept plus one
// where 0 is a position.
type api struct {
	// Sections and holds.
	opens opened // result 0 is to be ended
	may   bool   // only if result 1 is true
	pins  bool   // the goroutine holds its processor until the end
	ends  bool   // argument 0 has ended after it
	using bool   // argument 0, a section or hold, must not have ended

	// What is lent.
	section int    // argument that lends, plus one
	lends   lender // what result 0 is a part of
	fn      int    // argument, plus one, that is called with what is lent until it returns
	scoped  bool   // fn gets a section, open until fn returns
	iter    bool   // result 0 is a walk: its body gets what is lent, until the body ends

	// Writers.
	gives   int  // argument, plus one, that is given up to be freed
	takes   int  // argument, plus one, that this writer has unlinked then, so that it is its own
	inserts int  // argument, plus one, that becomes part of the queue of argument 0
	puts    bool // argument 0, a Pointer, leads to something else after it
	writes  bool // argument 0, a map, is written to
	guarded bool // the lock of argument 0, by GuardedBy, must be held

	// Waits.
	waits  bool // for the sections of the domain of argument 0
	closes bool // argument 0 is of no use after it
	blocks bool // may not be called in a pinned section
	later  int  // argument, plus one, that runs after a grace period of argument 0's domain
}

type opened uint8

const (
	opensNothing opened = iota
	opensSection
	opensLocal // a processor's share of a pool
	opensHold
)

func (o opened) what() string {
	return [...]string{"nothing", "section", "share of a pool", "hold"}[o]
}

func (o opened) ended() string { return [...]string{"", "left", "unpinned", "released"}[o] }

func (o opened) ender() string { return [...]string{"", "Leave", "Unpin", "Release"}[o] }

type lender uint8

const (
	lendsNothing lender = iota
	lendsObject         // an object that a Pointer or a queue leads to
	lendsValue          // a value of a Map: not to be written to
	lendsBytes          // bytes of a map: not to be written to
	lendsFile           // bytes of a file, which may be open for writing
)

// readOnly reports whether what is lent must not be written to.
func (l lender) readOnly() bool { return l == lendsValue || l == lendsBytes }

// apis has the functions of the library by package, receiver's type and name.
var apis = map[string]api{
	"smr.Domain.Enter":       {opens: opensSection},
	"smr.Domain.Pin":         {opens: opensSection, pins: true},
	"smr.Domain.TryEnter":    {opens: opensSection, may: true},
	"smr.Domain.Read":        {fn: 2, scoped: true},
	"smr.Domain.Synchronize": {waits: true, blocks: true},
	"smr.Domain.Barrier":     {waits: true, blocks: true},
	"smr.Domain.Throttle":    {waits: true, blocks: true},
	"smr.Domain.Assist":      {blocks: true},
	"smr.Domain.Wait":        {waits: true, blocks: true},
	"smr.Domain.Close":       {waits: true, blocks: true, closes: true},
	"smr.Domain.CallFunc":    {later: 3},
	"smr.Reader.Enter":       {opens: opensSection},
	"smr.Reader.TryEnter":    {opens: opensSection, may: true},
	"smr.Section.Leave":      {ends: true},
	"smr.Call":               {gives: 2, later: 4},
	"smr.TryCall":            {takes: 2, later: 4},

	"smr.Hold":         {opens: opensHold, using: true, takes: 2},
	"smr.HoldPart":     {opens: opensHold, using: true, takes: 2},
	"smr.Held.Release": {ends: true},
	"smr.Held.Get":     {using: true},
	"smr.Held.Clone":   {opens: opensHold, using: true},

	"smr.Pointer.Load":              {section: 2, lends: lendsObject},
	"smr.Pointer.LoadSerialized":    {guarded: true},
	"smr.Pointer.Store":             {puts: true, guarded: true},
	"smr.Pointer.StoreRelaxed":      {puts: true, guarded: true},
	"smr.Pointer.StoreUnserialized": {puts: true},
	"smr.Pointer.Init":              {puts: true},
	"smr.Pointer.Clear":             {puts: true},
	"smr.Pointer.Swap":              {puts: true},
	"smr.Pointer.CompareAndSwap":    {puts: true, takes: 2},

	"smrq.queue.First":           {section: 2, lends: lendsObject},
	"smrq.queue.Next":            {section: 2, lends: lendsObject},
	"smrq.queue.All":             {section: 2, lends: lendsObject, iter: true},
	"smrq.queue.Remove":          {takes: 2, guarded: true},
	"smrq.queue.Replace":         {takes: 2, guarded: true},
	"smrq.queue.InsertHead":      {inserts: 2, guarded: true},
	"smrq.queue.InsertAfter":     {inserts: 3, guarded: true},
	"smrq.queue.FirstSerialized": {guarded: true},
	"smrq.queue.NextSerialized":  {guarded: true},
	"smrq.tailQueue.InsertTail":  {inserts: 2, guarded: true},

	"slab.Pool.Get":      {blocks: true},
	"slab.Pool.Retire":   {gives: 2},
	"slab.Pool.Free":     {gives: 2, blocks: true},
	"slab.Pool.Trim":     {blocks: true},
	"slab.Pool.Close":    {waits: true, blocks: true, closes: true},
	"slab.Pool.Pin":      {opens: opensLocal, pins: true},
	"slab.Local.Unpin":   {ends: true},
	"slab.Local.Get":     {using: true},
	"slab.Local.Retire":  {using: true, takes: 2},
	"slab.Local.Swap":    {using: true, takes: 2},
	"slab.Blocks.Get":    {blocks: true},
	"slab.Blocks.Retire": {gives: 2},
	"slab.Blocks.Free":   {gives: 2, blocks: true},
	"slab.Blocks.Trim":   {blocks: true},
	"slab.Blocks.Close":  {waits: true, blocks: true, closes: true},

	"smrmap.Map.Enter":         {opens: opensSection},
	"smrmap.Map.LoadIn":        {section: 2, lends: lendsValue},
	"smrmap.Map.View":          {fn: 3, lends: lendsValue},
	"smrmap.Map.Hold":          {section: 2, opens: opensHold, may: true},
	"smrmap.Map.Store":         {writes: true, blocks: true},
	"smrmap.Map.StoreAll":      {writes: true, blocks: true},
	"smrmap.Map.Delete":        {writes: true, blocks: true},
	"smrmap.Map.Clear":         {writes: true, blocks: true},
	"smrmap.Map.LoadAndDelete": {writes: true, blocks: true},
	"smrmap.Map.LoadOrStore":   {writes: true, blocks: true},
	"smrmap.Map.Compute":       {writes: true, blocks: true},
	"smrmap.Map.Close":         {waits: true, blocks: true, closes: true},
	"smrmap.CompareAndDelete":  {writes: true, blocks: true},
	"smrmap.CompareAndSwap":    {writes: true, blocks: true},

	"smrmap.Bytes.Enter":           {opens: opensSection},
	"smrmap.Bytes.LoadIn":          {section: 2, lends: lendsBytes},
	"smrmap.Bytes.LoadAllIn":       {section: 2},
	"smrmap.Bytes.View":            {fn: 3, lends: lendsBytes},
	"smrmap.Bytes.Hold":            {section: 2, opens: opensHold, may: true},
	"smrmap.Bytes.Scan":            {fn: 4, lends: lendsBytes},
	"smrmap.Bytes.All":             {lends: lendsBytes, iter: true},
	"smrmap.Bytes.Keys":            {lends: lendsBytes, iter: true},
	"smrmap.Bytes.Store":           {writes: true, blocks: true},
	"smrmap.Bytes.StoreItem":       {writes: true, blocks: true},
	"smrmap.Bytes.StoreAll":        {writes: true, blocks: true},
	"smrmap.Bytes.Sweep":           {writes: true, blocks: true},
	"smrmap.Bytes.Draft":           {blocks: true},
	"smrmap.Bytes.Delete":          {writes: true, blocks: true},
	"smrmap.Bytes.Clear":           {writes: true, blocks: true},
	"smrmap.Bytes.LoadAndDelete":   {writes: true, blocks: true},
	"smrmap.Bytes.LoadOrStore":     {writes: true, blocks: true},
	"smrmap.Bytes.Compute":         {writes: true, blocks: true, fn: 3, lends: lendsBytes},
	"smrmap.Bytes.ComputeEvicting": {writes: true, blocks: true, waits: true, fn: 4, lends: lendsBytes},
	"smrmap.Bytes.StoreEvicting":   {writes: true, blocks: true, waits: true},
	"smrmap.Bytes.CompactFor":      {waits: true, blocks: true},
	"smrmap.Bytes.EvictBytes":      {blocks: true},
	"smrmap.Bytes.Close":           {waits: true, blocks: true, closes: true},
	"smrmap.Draft.Store":           {blocks: true},
	"smrmap.HeldItem.Get":          {section: 1, lends: lendsBytes},
	"smrmap.HeldItem.Clone":        {opens: opensHold, using: true},
	"smrmap.HeldItem.Release":      {ends: true},

	"smrfile.File.Enter":    {opens: opensSection},
	"smrfile.File.View":     {section: 2, lends: lendsFile, blocks: true},
	"smrfile.File.Read":     {section: 2, fn: 5, lends: lendsFile, blocks: true},
	"smrfile.File.SizeIn":   {section: 2},
	"smrfile.File.Hold":     {section: 2, opens: opensHold},
	"smrfile.File.Truncate": {waits: true, blocks: true},
	"smrfile.File.Close":    {waits: true, blocks: true, closes: true},
	"smrfile.File.Remove":   {waits: true, blocks: true},
	"smrfile.Held.View":     {section: 1, lends: lendsFile},
	"smrfile.Held.Read":     {section: 1, fn: 4, lends: lendsFile},
	"smrfile.Held.Clone":    {opens: opensHold, using: true},
	"smrfile.Held.Release":  {ends: true},

	"smrfile.Set.Enter":        {opens: opensSection},
	"smrfile.Set.Load":         {section: 2},
	"smrfile.Set.Hold":         {section: 2, opens: opensHold},
	"smrfile.Set.Replace":      {blocks: true},
	"smrfile.Set.Close":        {waits: true, blocks: true, closes: true},
	"smrfile.HeldView.Release": {ends: true},
}

// nameOf returns the function's package, receiver's type and name, as "sync.Mutex.Lock", and whether
// it is the library's. The path of a package of this repository is cut to what is after the module's.
func nameOf(fn *types.Func) (name string, ours bool) {
	if fn == nil || fn.Pkg() == nil {
		return "", false
	}
	fn = fn.Origin()
	name = fn.Name()
	if recv := fn.Signature().Recv(); recv != nil {
		if t := named(recv.Type()); t != nil {
			name = t.Obj().Name() + "." + name
		}
	}
	path, ours := strings.CutPrefix(fn.Pkg().Path(), module)
	return path + "." + name, ours && library[path]
}

// library has the packages that the table is of.
var library = map[string]bool{"smr": true, "smrq": true, "slab": true, "smrmap": true, "smrfile": true, "stw": true}

// named returns the named type that t is, or points to.
func named(t types.Type) *types.Named {
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t = p.Elem()
	}
	n, _ := types.Unalias(t).(*types.Named)
	return n
}

// callee returns what a call calls, if that is known, or the method of an interface.
func callee(c *ssa.CallCommon) *types.Func {
	if c.IsInvoke() {
		return c.Method
	}
	if fn := c.StaticCallee(); fn != nil {
		fn, _ := origin(fn).Object().(*types.Func)
		return fn
	}
	return nil
}

// origin returns the generic function of an instance, and the function itself otherwise.
func origin(fn *ssa.Function) *ssa.Function {
	if o := fn.Origin(); o != nil {
		return o
	}
	return fn
}

// apiOf returns what is known of the function that a call calls.
func apiOf(c *ssa.CallCommon) (a api, name string) {
	name, ours := nameOf(callee(c))
	if !ours {
		return api{}, name
	}
	return apis[name], name
}

// isLib reports whether t is the library's type of that name.
func isLib(t types.Type, pkg, name string) bool {
	n := named(t)
	return n != nil && n.Obj().Pkg() != nil && n.Obj().Name() == name && n.Obj().Pkg().Path() == module+pkg
}

// isSection reports whether t is smr.Section.
func isSection(t types.Type) bool {
	_, ok := types.Unalias(t).(*types.Named)
	return ok && isLib(t, "smr", "Section")
}

// arg returns the argument at a position plus one, or nil.
func arg(c *ssa.CallCommon, at int) ssa.Value {
	if at == 0 || c.IsInvoke() || at > len(c.Args) {
		return nil
	}
	return c.Args[at-1]
}
