"use strict";

// Each curve says what it knows of its points: "x|y|value|place;…", x and y in the chart's own units.
function points(group) {
  const said = group.dataset.points.split(";").filter(Boolean).map((point) => point.split("|"));
  return said.map(([x, y, value, place]) => ({ x: Number(x), y: Number(y), value, place }));
}

function nearest(all, x) {
  return all.reduce((best, point) => (Math.abs(point.x - x) < Math.abs(best.x - x) ? point : best));
}

// A chart says its values where the pointer is, or where the arrow keys have led.
function read(svg) {
  const figure = svg.closest(".chart");
  const cursor = svg.querySelector(".cursor");
  const curves = Array.from(svg.querySelectorAll("g[data-points]"), (group) => {
    const mark = document.createElementNS(svg.namespaceURI, "circle");
    mark.setAttribute("class", "mark");
    mark.setAttribute("r", 3.5);
    return { group, mark, all: points(group) };
  });
  const reading = figure.appendChild(document.createElement("div"));
  reading.className = "reading";
  reading.hidden = true;
  // The keys follow the curve with most points.
  const steps = curves.map((curve) => curve.all).reduce((most, all) => (all.length > most.length ? all : most));
  let at = steps.length;

  function hide() {
    cursor.setAttribute("visibility", "hidden");
    curves.forEach(({ mark }) => mark.remove());
    reading.hidden = true;
  }

  function show(x) {
    const line = nearest(steps, x);
    at = steps.indexOf(line);
    cursor.setAttribute("x1", line.x);
    cursor.setAttribute("x2", line.x);
    cursor.setAttribute("visibility", "visible");
    reading.replaceChildren();
    for (const { group, mark, all } of curves) {
      const point = nearest(all, x);
      mark.setAttribute("cx", point.x);
      mark.setAttribute("cy", point.y);
      group.append(mark);
      const row = reading.appendChild(document.createElement("div"));
      row.className = group.getAttribute("class");
      const value = document.createElement("b");
      value.textContent = point.value;
      const place = document.createElement("span");
      place.textContent = ` ${group.dataset.name}, ${point.place}`;
      row.append(value, place);
    }
    reading.hidden = false;
    // On the side of the line that has more room.
    const share = line.x / svg.viewBox.baseVal.width;
    const side = share < 0.5 ? ["left", share] : ["right", 1 - share];
    reading.style.left = reading.style.right = "";
    reading.style[side[0]] = `calc(${100 * side[1]}% + 10px)`;
  }

  function follow(event) {
    const box = svg.getBoundingClientRect();
    show(((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width);
  }

  svg.addEventListener("pointermove", follow);
  svg.addEventListener("pointerdown", follow);
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", ({ key }) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (by) {
      show(steps[Math.min(Math.max(at + by, 0), steps.length - 1)].x);
    } else if (key === "Escape") {
      hide();
    }
  });
}

// All grids lie over each other; the slider shows one of them.
function play(figure) {
  const player = figure.querySelector(".player");
  if (!player) {
    return;
  }
  const [button, slider] = [player.querySelector("button"), player.querySelector("input")];
  const output = figure.querySelector("output");
  const grids = figure.querySelectorAll("img");
  let clock = 0;

  function show(number) {
    grids.forEach((grid, i) => grid.classList.toggle("shown", i === number));
    slider.value = number;
    output.textContent = grids[number].dataset.drawn;
    slider.setAttribute("aria-valuetext", output.textContent);
  }

  function stop() {
    clearInterval(clock);
    clock = 0;
    button.textContent = "Play";
  }

  button.addEventListener("click", () => {
    if (clock) {
      stop();
      return;
    }
    let number = Number(slider.value);
    number = number === grids.length - 1 ? 0 : number;
    show(number);
    button.textContent = "Pause";
    // All of them in four seconds, but none for longer than half a second.
    clock = setInterval(() => {
      show((number += 1));
      if (number === grids.length - 1) {
        stop();
      }
    }, Math.min(500, 4000 / grids.length));
  });
  slider.addEventListener("input", () => {
    stop();
    show(Number(slider.value));
  });
  show(grids.length - 1);
  player.hidden = false;
}

document.querySelectorAll(".chart svg").forEach(read);
document.querySelectorAll(".samples").forEach(play);

// For programs that look at the page: that all this has run, and how much of it can be seen.
window.addEventListener("load", () => {
  const seen = (selector, test) => Array.from(document.querySelectorAll(selector)).filter(test).length;
  Object.assign(document.body.dataset, {
    curves: seen(".curve", (curve) => curve.getBBox().width > 0 || curve.getBBox().height > 0),
    pictures: seen("img", (picture) => picture.complete && picture.naturalWidth > 0),
    ready: "true",
  });
});
