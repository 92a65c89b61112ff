package smrfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
)

// Close ends the file, once: a second Close, and whatever else is done with the file, returns
// [io/fs.ErrClosed]. Sections that are open keep what they have viewed, and a Held keeps its mapping. Close
// waits for both; then the addresses and the descriptor go back to the system. A Truncate that waits
// gives up.
//
// If ctx ends first, Close fails and says what it waited for. The file is closed all the same, and the
// rest happens as the last reader leaves. So, too, if Close is called in a callback of the domain,
// where it can't wait. Close must not be called in a section of the domain, which it would wait for.
//
// Close does not Sync: what was stored reaches the disk when the system writes it.
func (f *File) Close(ctx context.Context) error { return f.closeOnce(ctx, "close", false) }

// Remove is Close, and then removes the file from its directory, unless the name has been given to
// another file meanwhile.
func (f *File) Remove(ctx context.Context) error { return f.closeOnce(ctx, "remove", true) }

func (f *File) closeOnce(ctx context.Context, op string, remove bool) error {
	f.checkMayBlock(op)
	if !f.beginClose(remove, nil) {
		return f.fail(op, fs.ErrClosed)
	}
	err := f.await(ctx, -1)
	f.mu.Lock()
	f.left = err != nil && !f.over
	left := f.left
	f.mu.Unlock()
	if !left {
		<-f.ended // by the callback that ended the last mapping
		err = f.endErr
	} else {
		err = fmt.Errorf("the file is closed, and ends when its readers have left: %w", err)
	}
	if err != nil {
		return f.fail(op, err)
	}
	return nil
}

// beginClose closes the file to readers and writers, and retires the mapping. It reports false if the
// file was closed before. It waits for a writer's system call, but for no reader. onEnd, unless nil, is
// called when the file has ended.
func (f *File) beginClose(remove bool, onEnd func(error)) bool {
	f.mu.Lock()
	if f.closing {
		f.mu.Unlock()
		return false
	}
	f.closing, f.remove, f.onEnd = true, remove, onEnd
	f.mu.Unlock()
	f.shut()
	f.writers.Lock()
	defer f.writers.Unlock()
	f.undoLocked()
	if f.cur.LoadSerialized().sp.memory && f.o.Write {
		f.endErr = f.writeBack() // read when ended is closed
	}
	f.publish(nil)
	f.dom.Flush()
	return true
}

// end closes the descriptor and removes the file, when no mapping is left.
func (f *File) end() {
	err := f.endErr
	if f.remove {
		err = errors.Join(err, f.isNamed())
	}
	named := err == nil
	err = errors.Join(err, f.file.Close())
	if f.remove && named {
		err = errors.Join(err, os.Remove(f.abs))
	}
	f.endErr = err
	f.mu.Lock()
	f.over = true
	left, onEnd := f.left, f.onEnd
	f.mu.Unlock()
	close(f.ended)
	if onEnd != nil {
		onEnd(err)
	}
	if (left || onEnd != nil) && err != nil { // no caller learns of it
		slog.Error("smrfile: a file that was closed ended with an error", "path", f.path, "error", err)
	}
}

// isNamed returns an error unless the path still leads to the file.
func (f *File) isNamed() error {
	ours, err := f.file.Stat()
	if err != nil {
		return err
	}
	there, err := os.Lstat(f.abs)
	switch {
	case err != nil:
		return err
	case !os.SameFile(ours, there):
		return errors.New("not removed: the name is that of another file by now")
	}
	return nil
}
