package smrfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// Close ends the file, once: a second Close, and whatever else is done with the file, returns
// [io/fs.ErrClosed]. Sections that are open keep what they have viewed, and a Held keeps its mapping. Close
// waits for both; then the addresses and the descriptor go back to the system. A Truncate that waits
// gives up.
//
// If ctx ends first, Close fails and says what it waited for. The file is closed all the same, and the
// rest happens as the last reader leaves; the domain's Close waits for that. So, too, if Close is called
// in a callback of the domain, where it can't wait. Close must not be called in a section of the domain,
// which it would wait for. It waits for a writer's system call, whatever ctx says.
//
// Close does not Sync: what was stored reaches the disk when the system writes it. What was stored to a
// file in memory Close writes; where it can't, as the disk is full, that is lost: Sync first. Close files
// before their domain, after which they can be closed, but not read or written.
//
// The end of a file is in a callback of the domain. On a file system that takes long to close or remove
// one, that holds up other callbacks: give such files a domain of their own.
func (f *File) Close(ctx context.Context) error { return f.closeOnce(ctx, "close", false) }

// Remove is Close, and then removes the file from its directory, unless the name has been given to
// another file meanwhile. A symbolic link by which it was opened stays.
func (f *File) Remove(ctx context.Context) error { return f.closeOnce(ctx, "remove", true) }

func (f *File) closeOnce(ctx context.Context, op string, remove bool) error {
	f.checkMayBlock(op)
	f.checkMayWait(op)
	if !f.beginClose(remove, nil) {
		return f.fail(op, fs.ErrClosed)
	}
	err := f.await(ctx, -1)
	if err == nil {
		select {
		case <-f.ended: // by the callback that ended the last mapping
		case <-ctx.Done():
			err = fmt.Errorf("%w; they have, but the system has not closed it yet", ctx.Err())
		}
	}
	if ended, endErr := f.leave(); ended {
		err = endErr
	} else {
		err = fmt.Errorf("the file is closed, and ends when its readers have left: %w", err)
	}
	if err != nil {
		return f.fail(op, err)
	}
	return nil
}

// leave returns whether the file has ended, and with which error. If not no caller waits for it any more.
func (f *File) leave() (ended bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.ended:
		return true, f.endErr
	default:
		f.left = true
		return false, nil
	}
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
	path := ""
	if f.remove {
		var unnamed error
		path, unnamed = f.name()
		err = errors.Join(err, unnamed)
	}
	err = errors.Join(err, f.file.Close())
	if path != "" {
		err = errors.Join(err, os.Remove(path)) // also if the disk was too full to write it back
	}
	f.mu.Lock()
	f.endErr = err
	left, onEnd := f.left, f.onEnd
	close(f.ended)
	f.mu.Unlock()
	if onEnd != nil {
		onEnd(err)
	}
	if (left || onEnd != nil) && err != nil { // no caller learns of it
		slog.Error("smrfile: a file that was closed ended with an error", "path", f.path, "error", err)
	}
}

// name returns where the file is, by way of the path by which it was opened, links followed.
func (f *File) name() (string, error) {
	ours, err := f.file.Stat()
	if err != nil {
		return "", err
	}
	path, err := filepath.EvalSymlinks(f.abs)
	if err != nil {
		return "", err
	}
	there, err := os.Lstat(path)
	switch {
	case err != nil:
		return "", err
	case !os.SameFile(ours, there):
		return "", errors.New("not removed: the name is that of another file by now")
	}
	return path, nil
}
