// What is wrong with the page, as lines of text.
(() => {
	const wrong = [], all = s => [...document.querySelectorAll(s)]
	const where = e => `${e.nodeName.toLowerCase()}${e.id ? '#' + e.id : ''} "${e.textContent.trim().slice(0, 30)}"`
	const box = e => e.getBoundingClientRect()
	const shown = e => e.checkVisibility({ visibilityProperty: true }) && box(e).width > 1

	// The document.
	if (document.documentElement.lang !== 'en') wrong.push('no language')
	if (!document.title.trim()) wrong.push('no title')
	for (const s of ['main', 'h1', 'header']) if (all(s).length !== 1) wrong.push(`${all(s).length} ${s}`)
	let level = 0
	for (const h of all('h1, h2, h3')) {
		if (h.nodeName[1] - level > 1) wrong.push(`heading ${where(h)} skips a level`)
		level = +h.nodeName[1]
	}
	const ids = all('[id]').map(e => e.id)
	for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push(`two elements have the id ${id}`)
	for (const e of all('[aria-labelledby]')) for (const id of e.getAttribute('aria-labelledby').split(' ')) if (!document.getElementById(id)) wrong.push(`${where(e)}: no element ${id}`)
	for (const e of all('body > *')) if (!e.matches('header, main, footer, script, .skip')) wrong.push(`${where(e)} is in no landmark`)
	for (const t of all('table')) {
		if (!t.querySelector('thead th')) wrong.push('a table without headers')
		for (const h of t.querySelectorAll('th')) if (!h.scope || !h.textContent.trim()) wrong.push(`header ${where(h)} has no scope or text`)
		for (const c of t.querySelectorAll('th, td:not(.wide)')) {
			const content = document.createRange()
			content.selectNodeContents(c)
			if (box(content).height > 130) wrong.push(`${where(c)} has too many lines`)
		}
		const columns = t.tHead.rows[0].cells.length
		for (const r of t.rows) {
			const n = [...r.cells].reduce((n, c) => n + c.colSpan, 0)
			if (n !== columns) wrong.push(`a row of ${n} cells in a table of ${columns}`)
		}
	}

	// The layout.
	if (document.documentElement.scrollWidth > innerWidth) wrong.push(`the page is ${document.documentElement.scrollWidth} wide in a window of ${innerWidth}`)
	for (const e of all('body *')) {
		const scroller = e.parentElement.closest('.scroll')
		if (!scroller && shown(e) && !e.closest('svg, .skip') && (box(e).right > innerWidth + 1 || box(e).left < -1)) wrong.push(`${where(e)} is outside of the window`)
		if (e.matches('.scroll') && e.scrollWidth > e.clientWidth && e.tabIndex < 0) wrong.push(`${where(e)} cannot be scrolled by keyboard`)
	}
	const cross = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1
	const apart = (what, elements) => elements.forEach((a, i) => elements.slice(i + 1).forEach(b => {
		if (cross(box(a), box(b))) wrong.push(`${what} overlap: ${where(a)}, ${where(b)}`)
	}))
	apart('plots', all('figure'))
	const plots = all('figure')
	if (all('.plots').length && !plots.length) wrong.push('no plots')
	for (const f of plots) {
		apart('labels', [...f.querySelectorAll('figcaption, .y span, .x span, td, th')].filter(shown))
		const area = f.querySelector('.area svg'), lines = [...area.querySelectorAll('path:not(.grid)')]
		if (box(area).width < 150 || box(area).height < 80) wrong.push(`${where(f)} is too small`)
		if (!area.querySelector('desc').textContent.includes('highest')) wrong.push(`${where(f)} has no values in words`)
		if (!lines.some(l => l.getAttribute('d'))) wrong.push(`${where(f)} has no line`)
		for (const l of lines) {
			const b = box(l), a = box(area)
			if (l.getAttribute('d') && (b.left < a.left - 3 || b.right > a.right + 3 || b.top < a.top - 3 || b.bottom > a.bottom + 3)) wrong.push(`a line of ${where(f)} leaves it`)
		}
		if (f.querySelectorAll('tbody tr').length !== lines.length) wrong.push(`${where(f)}: its table has other lines`)
	}

	// The contrast (WCAG 2.2, 1.4.3 and 1.4.11).
	const rgb = text => text.match(/[\d.]+/g).map(Number)
	const luminance = c => c.slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
	const behind = e => {
		for (; e; e = e.parentElement) {
			const c = rgb(getComputedStyle(e).backgroundColor)
			if (c.length === 3 || c[3] === 1) return c
		}
		return [255, 255, 255]
	}
	const contrast = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((x, y) => y - x); return (x + 0.05) / (y + 0.05) }
	const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
	let checked = 0
	for (let n; n = texts.nextNode();) {
		const e = n.parentElement
		if (!n.data.trim() || !shown(e) || e.closest('svg, script, meter')) continue
		checked++
		const c = contrast(rgb(getComputedStyle(e).color), behind(e))
		if (c < 4.5) wrong.push(`contrast of ${where(e)} is ${c.toFixed(2)}`)
	}
	for (const l of all('figure path:not(.grid)')) {
		const c = contrast(rgb(getComputedStyle(l).stroke), behind(l))
		if (c < 3) wrong.push(`contrast of line ${l.getAttribute('class')} is ${c.toFixed(2)}`)
	}
	if (checked < 20) wrong.push(`only ${checked} texts`)
	return wrong
})()
