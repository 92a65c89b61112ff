package smrvet

import (
	"embed"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// rules has the names of the rules, most valuable first. doc has a page for each.
var rules = []string{
	"useafterleave", "returnborrowed", "walkescape", "writeborrowed",
	"dropped", "unleft", "deferinloop", "storedsection", "hold",
	"pinblock", "waitinside", "blockinside", "worldblock",
	"doublefree", "unlinkfirst", "wrongdomain", "unguarded", "relink",
	"afterclose", "wronggoroutine", "callbackpanic",
}

//go:embed doc/*.md
var pages embed.FS

// Analyzers has an analyzer for each rule, and one for the directives. They share one pass over each
// package. An analyzer's name is that of its rule with "smr" before it.
var Analyzers = analyzers()

func analyzers() []*analysis.Analyzer {
	list := []*analysis.Analyzer{directives}
	for _, name := range rules {
		list = append(list, &analysis.Analyzer{
			Name: "smr" + name, Doc: page(name), URL: url + name + ".md",
			Requires: []*analysis.Analyzer{base},
			Run:      func(pass *analysis.Pass) (any, error) { return nil, tell(pass, name) },
		})
	}
	return list
}

const url = "https://github.com/gosmr/gosmr/blob/main/smrvet/doc/"

// page returns the documentation of a rule, its title first.
func page(rule string) string {
	text, err := pages.ReadFile("doc/" + rule + ".md")
	if err != nil {
		panic(err)
	}
	_, title, _ := strings.Cut(string(text), ": ")
	return title
}

// tell reports what base has found of one rule.
func tell(pass *analysis.Pass, rule string) error {
	for _, f := range pass.ResultOf[base].(*result).findings {
		if f.rule == rule {
			pass.Report(analysis.Diagnostic{Pos: f.pos, Category: rule, Message: f.text + " (smr" + rule + ")", SuggestedFixes: f.fixes})
		}
	}
	return nil
}

var directives = &analysis.Analyzer{
	Name: "smrok", Doc: "an //smr:ok without a reason or a report, and other wrong directives",
	Requires: []*analysis.Analyzer{base},
	Run: func(pass *analysis.Pass) (any, error) {
		res := pass.ResultOf[base].(*result)
		for _, d := range res.unused {
			pass.Report(d)
		}
		return nil, tell(pass, "directive")
	},
}
