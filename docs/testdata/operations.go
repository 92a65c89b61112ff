package operations

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrdebug"
	"github.com/gosmr/gosmr/smrmap"
)

type Row struct{ Price int }

func Run() {
	internal := http.NewServeMux()

	// block 1

	w := httptest.NewRecorder()
	internal.ServeHTTP(w, httptest.NewRequest("GET", "/debug/smr", nil))
	fmt.Println(strings.Contains(w.Body.String(), "smrmap.Map rows"), err)
	unpublish()
	fmt.Println(rows.Close(context.Background()), dom.Close(context.Background()))
}

// Output:
// true <nil>
// <nil> <nil>
