"use strict";
// Every two seconds, while the page is visible: the numbers for the charts as JSON, and the tables
// as this page, anew.
(() => {
  const period = 2000, points = 150;
  const byId = id => document.getElementById(id);
  const box = byId("live"), on = box.querySelector("input");
  const history = { pending: [], grace: [], median: [] };

  const url = format => {
    const u = new URL(location.href);
    u.searchParams.set("format", format);
    u.hash = "";
    return u;
  };

  const size = n => {
    let unit = 0;
    for (; n >= 1023.95 && unit < 6; unit++) n /= 1024;
    return unit ? n.toFixed(1) + " " + "KMGTPE"[unit - 1] + "iB" : n + " B";
  };
  const time = s => s >= 1 ? s.toFixed(1) + " s" : s >= 1e-3 ? (s * 1e3).toFixed(1) + " ms" : (s * 1e6).toFixed(0) + " µs";

  const draw = (id, show, ...lines) => {
    const svg = byId(id + "-chart"), top = Math.max(...lines.flat(), 1e-9);
    byId(id + "-top").textContent = top > 1e-9 ? "top: " + show(top) : "";
    svg.replaceChildren(...lines.map((values, i) => {
      const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
      line.setAttribute("class", "ab"[i]);
      const at = values.map((v, j) => [300 - 300 * (values.length - 1 - j) / (points - 1), 77 - 74 * v / top]);
      if (at.length === 1) at.unshift([at[0][0] - 2, at[0][1]]);
      line.setAttribute("points", at.map(p => p.map(x => x.toFixed(1)).join()).join(" "));
      return line;
    }));
  };

  const chart = report => {
    const push = (to, v) => { to.push(v); if (to.length > points) to.shift(); return v; };
    const most = of => Math.max(0, ...report.domains.map(of));
    byId("pending").textContent = size(push(history.pending, report.domains.reduce((sum, d) => sum + d.pending_bytes, 0)));
    byId("grace").textContent = time(push(history.grace, most(d => d.grace_seconds)));
    byId("median").textContent = time(push(history.median, most(d => d.grace_median_seconds)));
    draw("pending", size, history.pending);
    draw("grace", time, history.grace, history.median);
  };

  // Whether details are open stays, by their place among those of their kind.
  const replace = text => {
    const main = text.slice(text.indexOf("<main>"), text.indexOf("</main>") + "</main>".length); // names have no tags
    const fresh = new DOMParser().parseFromString(main, "text/html").querySelector("main");
    const old = document.querySelector("main");
    if (!fresh || !getSelection().isCollapsed || old.querySelector("input:focus")) return;
    const open = {};
    for (const d of old.querySelectorAll("details")) (open[d.dataset.key] ||= []).push(d.open);
    for (const d of fresh.querySelectorAll("details")) {
      const was = (open[d.dataset.key] || []).shift();
      if (was !== undefined) d.open = was;
    }
    old.replaceWith(fresh);
  };

  const ask = async format => {
    const answer = await fetch(url(format), { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.statusText);
    return format === "json" ? answer.json() : answer.text();
  };

  const tick = async () => {
    if (on.checked && !document.hidden) {
      try {
        const [report, page] = await Promise.all([ask("json"), ask("html")]);
        chart(report);
        replace(page);
        box.title = "";
      } catch (err) {
        box.title = "no answer: " + err.message;
      }
      box.classList.toggle("lost", box.title !== "");
    }
    setTimeout(tick, period);
  };
  box.hidden = false;
  byId("charts").hidden = false;
  ask("json").then(chart).finally(() => setTimeout(tick, period));
})();
