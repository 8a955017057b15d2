package main

import (
	"fmt"
	"html"
	"math"
	"os"
	"strings"
)

// curve is one line of a chart.
type curve struct {
	name   string
	dashed bool
	color  int
	points [][2]float64
}

// chart is a picture with logarithmic axes.
type chart struct {
	title, x, y string
	curves      []curve
}

const (
	chartWidth, chartHeight = 640, 400
	left, right, top, under = 70.0, 170.0, 40.0, 50.0
)

var colors = [...]string{"#1f6feb", "#d9480f", "#2b8a3e", "#862e9c"}

// span returns the decades that hold all values of one axis.
func (c chart) span(axis int) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, cv := range c.curves {
		for _, p := range cv.points {
			low, high = min(low, p[axis]), max(high, p[axis])
		}
	}
	low, high = math.Floor(math.Log10(low)+1e-9), math.Ceil(math.Log10(high)-1e-9)
	return low, max(high, low+1)
}

// svg draws the chart.
func (c chart) svg() string {
	var b strings.Builder
	x0, x1 := c.span(0)
	y0, y1 := c.span(1)
	px := func(v float64) float64 { return left + (math.Log10(v)-x0)/(x1-x0)*(chartWidth-left-right) }
	py := func(v float64) float64 {
		return chartHeight - under - (math.Log10(v)-y0)/(y1-y0)*(chartHeight-top-under)
	}
	text := func(x, y float64, anchor, more, s string) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="%s" %s>%s</text>`+"\n", x, y, anchor, more, html.EscapeString(s))
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", chartWidth, chartHeight)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", chartWidth, chartHeight)
	text(left, 22, "start", `font-size="15"`, c.title)
	line := func(xa, ya, xb, yb float64) {
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#ddd"/>`+"\n", xa, ya, xb, yb)
	}
	for d := x0; d <= x1; d++ {
		v := math.Pow(10, d)
		line(px(v), top, px(v), chartHeight-under)
		text(px(v), chartHeight-under+18, "middle", "", decade(v))
	}
	for d := y0; d <= y1; d++ {
		v := math.Pow(10, d)
		line(left, py(v), chartWidth-right, py(v))
		text(left-8, py(v)+4, "end", "", decade(v))
	}
	text((left+chartWidth-right)/2, chartHeight-10, "middle", "", c.x)
	text(16, chartHeight/2, "middle", fmt.Sprintf(`transform="rotate(-90 16 %d)"`, chartHeight/2), c.y)
	for i, cv := range c.curves {
		c.draw(&b, cv, px, py)
		y := top + 14 + float64(i)*20
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="2"%s/>`+"\n",
			chartWidth-right+12, y-4, chartWidth-right+36, y-4, colors[cv.color%len(colors)], dash(cv))
		text(chartWidth-right+42, y, "start", "", cv.name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (c chart) draw(b *strings.Builder, cv curve, px, py func(float64) float64) {
	color := colors[cv.color%len(colors)]
	var at []string
	for _, p := range cv.points {
		at = append(at, fmt.Sprintf("%.1f,%.1f", px(p[0]), py(p[1])))
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", px(p[0]), py(p[1]), color)
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"%s/>`+"\n", strings.Join(at, " "), color, dash(cv))
}

func dash(c curve) string {
	if c.dashed {
		return ` stroke-dasharray="5 4"`
	}
	return ""
}

func decade(v float64) string {
	if v >= 1000 {
		return short(int64(v))
	}
	return fmt.Sprintf("%g", v)
}

func (c chart) write(file string) error { return os.WriteFile(file, []byte(c.svg()), 0o644) }
