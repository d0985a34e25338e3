(() => {
	const every = document.documentElement.dataset.every * 1000
	const button = document.getElementById('pause'), note = document.getElementById('note')
	let paused = false, timer

	// Elements stay where their kind is the same, and so do focus, selection and scrolling.
	const morph = (old, now) => {
		// A row that is about to be chosen must not turn into another.
		if (old.nodeName === 'TBODY' && old.contains(document.activeElement)) return
		for (const { name, value } of now.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value)
		for (const { name } of [...old.attributes]) if (!now.hasAttribute(name)) old.removeAttribute(name)
		const had = [...old.childNodes], has = [...now.childNodes]
		has.forEach((n, i) => {
			const o = had[i]
			if (!o) old.append(n)
			else if (o.nodeName !== n.nodeName) o.replaceWith(n)
			else if (n.nodeType === 1) morph(o, n)
			else if (o.data !== n.data) o.data = n.data
		})
		had.slice(has.length).forEach(o => o.remove())
	}

	const say = text => { if (note.textContent !== text) note.textContent = text }

	const refresh = async () => {
		try {
			const answer = await fetch(location.href, { cache: 'no-store', signal: AbortSignal.timeout(10000) })
			if (!answer.ok) throw answer.status
			const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
			for (const now of page.querySelectorAll('[data-live]')) {
				const old = document.getElementById(now.id)
				if (old && !paused) morph(old, now)
			}
			document.title = page.title
			say('')
		} catch (e) {
			say(e === 404 ? 'This is gone: the values are the last ones.' : 'No answer: the values are the last ones.')
		}
		next()
	}
	const next = () => { clearTimeout(timer); if (!paused) timer = setTimeout(() => document.hidden ? next() : refresh(), every) }

	button.hidden = false
	button.onclick = () => {
		paused = !paused
		button.setAttribute('aria-pressed', paused)
		paused ? next() : refresh()
	}
	next()
})()
