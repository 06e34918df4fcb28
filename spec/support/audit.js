// What is wrong with this page for somebody who does not see it well: the body of a function that
// returns a list of sentences. spec/support/browser.lua runs it, and looks at names itself.

const found = []
const say = (what, element) => found.push(`${what}: ${element.outerHTML.slice(0, 120)}`)

const visible = element => element.checkVisibility({ opacityProperty: true, visibilityProperty: true })
const all = selector => [...document.querySelectorAll(selector)].filter(visible)

// ---- the document ----

if (!document.documentElement.lang) found.push("the page's language is not given")
if (!document.title.trim()) found.push("the page has no title")
if (all("main, [role=main]").length !== 1) found.push("the page has not exactly one main part")
for (const viewport of document.querySelectorAll("meta[name=viewport]")) {
  if (/user-scalable\s*=\s*no|maximum-scale/.test(viewport.content)) say("it can't be zoomed", viewport)
}

const ids = new Set()
for (const element of document.querySelectorAll("[id]")) {
  if (ids.has(element.id)) say("an id is there twice", element)
  ids.add(element.id)
}

for (const element of document.querySelectorAll("[aria-labelledby], [aria-describedby], [aria-controls], label[for]")) {
  for (const name of ["aria-labelledby", "aria-describedby", "aria-controls", "for"]) {
    for (const id of (element.getAttribute(name) || "").split(/\s+/)) {
      if (id && !document.getElementById(id)) say(`${name} names nothing`, element)
    }
  }
}

// ---- headings ----

let level = 0
const headings = all("h1, h2, h3, h4, h5, h6")
if (headings.filter(heading => heading.tagName === "H1").length !== 1) found.push("there is not exactly one h1")
for (const heading of headings) {
  const next = Number(heading.tagName[1])
  if (next > level + 1) say("a level of headings is left out", heading)
  level = next
}

// ---- pictures, tables, fields ----

for (const image of document.querySelectorAll("img:not([alt])")) say("an image has no alt", image)
for (const svg of all("svg")) {
  if (svg.closest("[aria-hidden=true]") || svg.parentElement.closest("svg, [role=img]")) continue
  if (!svg.hasAttribute("role")) say("a drawing is neither an image nor hidden", svg)
}
for (const table of all("table")) if (!table.querySelector("th")) say("a table has no headings", table)
for (const field of all("input:not([type=hidden]):not([type=submit]):not([type=button]), select, textarea")) {
  const named = field.labels.length > 0 || field.hasAttribute("aria-label") || field.hasAttribute("aria-labelledby")
    || field.title
  if (!named) say("a field has no label", field)
}
for (const element of all("[tabindex]")) if (element.tabIndex > 0) say("a tabindex changes the order", element)
for (const hidden of document.querySelectorAll("[aria-hidden=true]")) {
  for (const element of hidden.querySelectorAll("a[href], button, input, select, textarea, [tabindex]")) {
    if (visible(element) && element.tabIndex >= 0) say("it has the focus but is hidden", element)
  }
}

// ---- contrast ----

const canvas = document.createElement("canvas")
canvas.width = canvas.height = 1
const paint = canvas.getContext("2d", { willReadFrequently: true })

// Any CSS colour as [red, green, blue, alpha], 0 to 255.
const pixel = new Map()
const rgba = colour => {
  if (!pixel.has(colour)) {
    paint.clearRect(0, 0, 1, 1)
    paint.fillStyle = colour
    paint.fillRect(0, 0, 1, 1)
    pixel.set(colour, [...paint.getImageData(0, 0, 1, 1).data])
  }
  return pixel.get(colour)
}

const over = (front, back) => {
  const alpha = front[3] / 255
  return [0, 1, 2].map(i => front[i] * alpha + back[i] * (1 - alpha)).concat(255)
}

const luminance = ([r, g, b]) => {
  const [x, y, z] = [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  return 0.2126 * x + 0.7152 * y + 0.0722 * z
}

const contrast = (one, other) => {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (high + 0.05) / (low + 0.05)
}

// What is behind an element's text: the backgrounds of it and of those around it, down to the page.
const background = element => {
  const layers = []
  for (let at = element; at; at = at.parentElement) {
    const colour = rgba(getComputedStyle(at).backgroundColor)
    layers.push(colour)
    if (colour[3] === 255) break
  }
  const dark = matchMedia("(prefers-color-scheme: dark)").matches
    && /dark/.test(getComputedStyle(document.documentElement).colorScheme)
  return layers.reverse().reduce((back, front) => over(front, back), dark ? [18, 18, 18, 255] : [255, 255, 255, 255])
}

const opacity = element => {
  let all = 1
  for (let at = element; at; at = at.parentElement) all *= Number(getComputedStyle(at).opacity)
  return all
}

const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
const told = new Set()
while (texts.nextNode()) {
  const element = texts.currentNode.parentElement
  if (!texts.currentNode.data.trim() || !visible(element) || element.closest(":disabled, [aria-disabled=true], option")) continue
  if (/^(script|style|title|desc)$/i.test(element.tagName) || getComputedStyle(element).clipPath !== "none") continue
  const style = getComputedStyle(element)
  const back = background(element)
  const front = [...rgba(element instanceof SVGElement ? style.fill : style.color)]
  front[3] *= opacity(element)
  const ratio = contrast(over(front, back), back)
  const key = `${style.color} ${back}`
  if (ratio < 4.5 && !told.has(key)) {
    told.add(key)
    say(`contrast ${ratio.toFixed(2)} on rgb(${back.slice(0, 3).map(Math.round)})`, element)
  }
}

return found
