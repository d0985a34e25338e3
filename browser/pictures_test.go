package browser

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/png"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// maxPicture is the size of a picture in docs/images, in bytes.
const maxPicture = 150 << 10

// The pictures in docs/images are taken of the pages that the other tests look at.
func TestPictures(t *testing.T) {
	if !*pictures {
		t.Skip("make browser PICTURES=true takes the pictures anew")
	}
	for _, one := range []struct {
		file, url, until string
		view             view
	}{
		{"status-demo", demoURL, `document.querySelector('h1').textContent.includes('up') && document.querySelector('.facts').textContent.includes('token 4')`, view{width: 1240, height: 1010}},
		{"status-proxy", proxyURL, `document.querySelector('.x').textContent.startsWith('3 min')`, view{width: 1240, height: 1010}},
		{"status-phone", proxyURL, drawn, view{dark: true, width: 390, height: 844}},
		{"status-local", workspaceURL, drawn, view{dark: true, width: 1240, height: 960}},
	} {
		p := open(t, one.url, one.view)
		for began := time.Now(); !value[bool](p, one.until); p.must(chromedp.Do(p.ctx, chromedp.Sleep(time.Second))) {
			if time.Since(began) > 3*time.Minute {
				t.Fatalf("%s has nothing to show", one.file)
			}
		}
		content, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
		p.must(err)
		small := withPalette(t, content)
		if len(small) > maxPicture {
			t.Errorf("%s has %d bytes", one.file, len(small))
		}
		if err := os.WriteFile("../docs/images/"+one.file+".png", small, 0o644); err != nil {
			t.Error(err)
		}
	}
}

// withPalette returns a PNG with the 256 most frequent colours, which takes a third of
// the bytes. The pages have few colours, and shades of them at the edges of letters.
func withPalette(t *testing.T, content []byte) []byte {
	t.Helper()
	full, err := png.Decode(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	area := full.Bounds()
	count := map[color.RGBA]int{}
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(full.At(x, y)).(color.RGBA) }
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			count[at(x, y)]++
		}
	}
	var frequent []color.RGBA
	for c := range count {
		frequent = append(frequent, c)
	}
	slices.SortFunc(frequent, func(a, b color.RGBA) int { return cmp.Compare(count[b], count[a]) })
	var palette color.Palette
	for _, c := range frequent[:min(len(frequent), 256)] {
		palette = append(palette, c)
	}
	nearest := map[color.RGBA]uint8{}
	for c := range count {
		nearest[c] = uint8(palette.Index(c))
	}
	small := image.NewPaletted(area, palette)
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			small.SetColorIndex(x, y, nearest[at(x, y)])
		}
	}
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&out, small); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
