"""A photo to look at closely: the part that the network saw, and, on demand, where in it a class was found.

The maps of all classes go to the browser at once (0.5 kB each), so that choosing a class and moving the strength
answer without a round trip. What the maps mean is in `explain.py`.
"""

import base64
import io
from collections.abc import Callable

import numpy as np
import streamlit as st
from PIL import Image

from fashion import explain, pictures
from fashion.answers import Answer
from fashion.ui import charts

_MAP_SIDE = 72  # pixels of a map as it is sent; the browser enlarges it smoothly

COVERED = (
    "Where it looked: the network was asked again and again with a patch of the picture painted black. The map shows how "
    "much of the class' probability was lost with each patch."
)
WHAT_IT_MEANS = (
    "The network's last layers look at the photo as a coarse grid of places, and add up what each says for a class. The "
    "map shows how much each place added: exactly that, not a guess. It shows where the evidence was, not why it "
    "counts; and each place has seen a good deal of its surroundings too."
)

_HTML = """
<div class="viewer">
  <div class="frame">
    <img class="photo">
    <div class="outside first"></div><div class="outside last"></div>
    <img class="heat" alt="" aria-hidden="true">
    <div class="box" aria-hidden="true"></div>
  </div>
  <div class="bar">
    <button type="button" class="look" aria-pressed="false"><span class="dot"></span><span class="words"></span></button>
    <label class="strength">Strength <input type="range" min="0" max="100" value="65"></label>
  </div>
  <div class="more">
    <div class="chips" role="radiogroup" aria-label="Class whose evidence is shown"></div>
    <div class="legend"><span>little</span><span class="ramp"></span><span>most evidence</span></div>
  </div>
</div>
"""

_CSS = """
.viewer { font-family: var(--st-font); color: var(--st-text-color); font-size: 0.875rem; }
.frame { position: relative; width: fit-content; max-width: 100%; margin: 0 auto; overflow: hidden;
     border-radius: var(--st-base-radius); background: var(--st-secondary-background-color); line-height: 0; }
.photo { display: block; max-width: 100%; max-height: min(25rem, 55vh); }
.small .photo { width: 17.5rem; image-rendering: pixelated; }
.outside { position: absolute; background: var(--st-background-color); opacity: 0.62; }
.heat { position: absolute; opacity: 0; transition: opacity 150ms; }
.box { position: absolute; box-sizing: border-box; border: 1.5px dashed #fff; box-shadow: 0 0 0 1px rgb(0 0 0 / 0.35); }
.whole .box, .whole .outside { display: none; }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: 0.5rem 1rem; margin-top: 0.6rem; min-height: 2.25rem; }
button, .chip { font: inherit; color: inherit; background: var(--st-background-color); cursor: pointer;
     border: 1px solid var(--st-border-color); border-radius: 999px; }
.look { padding: 0.35rem 0.9rem; display: inline-flex; align-items: center; gap: 0.5rem; min-height: 2.25rem; }
.look .dot { width: 0.8rem; height: 0.8rem; border-radius: 50%;
     background: radial-gradient(circle, #fcffa4, #f57d15 45%, #57106e); }
.look:hover, .chip:hover { border-color: var(--st-primary-color); }
.look[aria-pressed=true] { border-color: var(--st-primary-color); box-shadow: inset 0 0 0 1px var(--st-primary-color); }
.strength { display: none; align-items: center; gap: 0.6rem; flex: 1; min-width: 9rem; }
input[type=range] { accent-color: var(--st-primary-color); flex: 1; min-width: 4rem; height: 1.5rem; }
.more { display: none; }
.on .strength { display: flex; }
.on .more { display: block; }
.chips { display: flex; flex-wrap: wrap; gap: 0.35rem; margin: 0.5rem 0; }
.chip { padding: 0.2rem 0.6rem; display: inline-flex; gap: 0.4rem; align-items: center; position: relative; min-height: 1.75rem; }
.chip input { position: absolute; inset: 0; margin: 0; opacity: 0; cursor: pointer; }
.chip .colour { width: 0.55rem; height: 0.55rem; border-radius: 50%; }
.chip .share { opacity: 0.7; font-variant-numeric: tabular-nums; }
.chip:has(:checked) { background: var(--st-secondary-background-color); border-color: var(--st-primary-color);
     box-shadow: inset 0 0 0 1px var(--st-primary-color); }
.look:focus-visible, .chip:has(:focus-visible), input[type=range]:focus-visible {
     outline: 3px solid var(--st-primary-color); outline-offset: 2px; }
.legend { display: flex; align-items: center; gap: 0.5rem; font-size: 0.78rem; opacity: 0.85; }
.ramp { flex: 0 1 8rem; height: 0.5rem; border-radius: 999px;
     background: linear-gradient(90deg, #140b34, #57106e, #99255c, #d44842, #f57d15, #fac127, #fcffa4); }
"""

# What the visitor chose here stays while the page is drawn again, and when another photo is chosen.
_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  const find = (selector) => parentElement.querySelector(selector);
  const root = find(".viewer"), state = (root.state ??= { on: false, chosen: 0, asked: null });
  const photo = find(".photo"), heat = find(".heat"), look = find(".look"), range = find("input[type=range]");
  if (state.id !== data.id) Object.assign(state, { id: data.id, chosen: 0 });
  if (photo.getAttribute("src") !== data.photo) photo.src = data.photo;
  photo.alt = data.alt;
  const [left, top, width, height] = data.box, percent = (part) => 100 * part + "%";
  const put = (element, x, y, w, h) =>
    Object.assign(element.style, { left: percent(x), top: percent(y), width: percent(w), height: percent(h) });
  put(find(".box"), left, top, width, height);
  put(heat, left, top, width, height);
  const upright = width > 0.999;
  put(find(".first"), 0, 0, upright ? 1 : left, upright ? top : 1);
  put(find(".last"), upright ? 0 : left + width, upright ? top + height : 0,
      upright ? 1 : 1 - left - width, upright ? 1 - top - height : 1);
  root.classList.toggle("whole", width > 0.999 && height > 0.999);
  root.classList.toggle("small", data.small);
  look.style.display = data.offered ? "" : "none";
  const chips = find(".chips"), drawn = JSON.stringify(data.maps.map((map) => [map.label, map.share]));
  if (chips.drawn !== drawn) {
    chips.drawn = drawn;
    chips.replaceChildren(...data.maps.map((map, position) => {
      const chip = document.createElement("label"), input = document.createElement("input");
      const colour = document.createElement("span"), share = document.createElement("span");
      chip.className = "chip"; colour.className = "colour"; share.className = "share";
      input.type = "radio"; input.name = "class"; input.value = position;
      colour.style.background = map.colour;
      share.textContent = map.share;
      chip.append(input, colour, map.label, share);
      return chip;
    }));
  }
  const show = () => {
    const ready = data.maps.length > 0;
    root.classList.toggle("on", state.on && ready);
    look.setAttribute("aria-pressed", state.on);
    find(".words").textContent = state.on && !ready ? "Looking …" : "Where it looked";
    if (ready) heat.src = data.maps[state.chosen].src;
    heat.style.opacity = state.on && ready ? range.value / 100 : 0;
    chips.querySelectorAll("input").forEach((input) => { input.checked = +input.value === state.chosen; });
    if (state.on && !ready && data.offered && state.asked !== data.id) {
      state.asked = data.id;
      setTriggerValue("wanted", data.id);
    }
  };
  look.onclick = () => { state.on = !state.on; show(); };
  range.oninput = show;
  chips.onchange = (event) => { state.chosen = +event.target.value; show(); };
  show();
}
"""


def show(
    photo: Image.Image | np.ndarray,
    *,
    id: str,
    uri: str,
    alt: str,
    answer: Answer | None,
    classes: tuple[str, ...],
    box: tuple[float, float, float, float] | None = None,
    on_wanted: Callable[[], None],
    offered: bool = True,
    key: str,
) -> None:
    """Draw the viewer.

    photo and uri: the same picture, as an image or array and as text for the browser. id: a name for this photo and
    model. box: the part that the network saw, in pixels of the photo; None for all. on_wanted: called where the map
    was asked for and `answer.evidence` is None, before the page runs again; it should find it. offered: whether
    there is a map at all.
    """
    viewer = st.components.v2.component("photo_viewer", html=_HTML, css=_CSS, js=_JS)
    width, height = photo.size if isinstance(photo, Image.Image) else photo.shape[1::-1]
    left, top, right, bottom = box or (0, 0, width, height)
    data = {
        "id": id,
        "photo": uri,
        "alt": alt,
        "box": [left / width, top / height, (right - left) / width, (bottom - top) / height],
        "small": max(width, height) <= 64,
        "offered": offered and answer is not None,
        "maps": maps(answer, classes) if answer is not None else [],
    }
    viewer(key=key, data=data, on_wanted_change=on_wanted)


def maps(answer: Answer, classes: tuple[str, ...]) -> list[dict[str, str]]:
    """For each class, the most probable first: label, share (its probability, if it has one to speak of), colour, and src, its map as text.

    Empty where the evidence has not been found yet.
    """
    if answer.evidence is None:
        return []
    found = []
    colours = charts.class_colours(classes)
    for label, probability in answer.prediction.top:
        number = classes.index(label)
        warmth = explain.enlarged(explain.heat(answer.evidence[number]), _MAP_SIDE, _MAP_SIDE)
        found.append(
            {
                "label": label,
                "share": f"{probability:.0%}" if probability >= 0.005 else "",
                "colour": colours[number],
                "src": _small_uri(explain.coloured(warmth)),
            }
        )
    return found


def _small_uri(image: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", quality=80, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def photo_uri(image: Image.Image | np.ndarray) -> str:
    """A photo as text for the browser: JPEG; 28x28 pixels as PNG, which loses nothing."""
    if isinstance(image, np.ndarray) and image.ndim == 2:
        return pictures.data_uri(image)
    return pictures.photo_uri(np.asarray(image))
