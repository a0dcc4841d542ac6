"use strict";
// What a reader can do with the page beyond reading it: sort tables, change scales, point at values, turn surfaces.
// Without it the page is whole: every button is made here.
(() => {
  const svgName = "http://www.w3.org/2000/svg";
  const isStill = matchMedia("(prefers-reduced-motion: reduce)");

  const make = (name, className, ...content) => {
    const element = document.createElement(name);
    element.className = className;
    element.append(...content);
    return element;
  };

  const button = (className, text, act) => {
    const element = make("button", className, text);
    element.type = "button";
    element.addEventListener("click", act);
    return element;
  };

  // Tables: a heading sorts its column upwards, then downwards, then gives back the order as written.
  const words = new Intl.Collator("en", { numeric: true });

  const compare = (isNumeric, a, b) => {
    if (!isNumeric) {
      return words.compare(a.textContent, b.textContent);
    }

    return Number(a.dataset.value) - Number(b.dataset.value);
  };

  const sort = (table, heads, column, order, asWritten) => {
    const isNumeric = heads[column].classList.contains("number");
    const isKnown = row => !isNumeric || row.cells[column].dataset.value !== undefined;
    const sign = order === "descending" ? -1 : 1;
    const rows = order === null
      ? asWritten
      : [
        ...asWritten.filter(isKnown).sort((a, b) => sign * compare(isNumeric, a.cells[column], b.cells[column])),
        ...asWritten.filter(row => !isKnown(row)),
      ];
    table.tBodies[0].append(...rows);
    heads.forEach((head, i) => {
      if (i === column && order !== null) {
        head.setAttribute("aria-sort", order);
      } else {
        head.removeAttribute("aria-sort");
      }
    });
  };

  const next = { ascending: "descending", descending: null };

  for (const table of document.querySelectorAll("table.sortable")) {
    const asWritten = [...table.tBodies[0].rows];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const sorter = button("sort", "", () => {
        const now = head.getAttribute("aria-sort");
        sort(table, heads, column, now === null ? "ascending" : next[now], asWritten);
      });
      sorter.append(...head.childNodes);
      head.append(sorter);
    });
  }

  // Values: of the points of a picture, the one that is nearest to the pointer; arrow keys go from one to the next.
  const values = picture => {
    const { across, up, series } = JSON.parse(picture.querySelector("script").textContent);
    const marks = series.flatMap(({ title, marks: points }, number) => points.map(([x, y, at, height]) => ({ x, y, at, height, title, number })));
    const pictures = [...picture.querySelectorAll("svg")];
    const { width, height } = pictures[0].viewBox.baseVal;
    const tip = make("div", "tip");
    tip.setAttribute("role", "status");
    picture.append(tip);
    const rings = pictures.map(svg => {
      const ring = document.createElementNS(svgName, "circle");
      ring.setAttribute("class", "ring");
      ring.setAttribute("r", "5");
      svg.append(ring);
      return ring;
    });
    let shown = -1;

    const hide = () => {
      shown = -1;
      picture.classList.remove("pointed");
      tip.replaceChildren();
    };

    const show = index => {
      shown = index;
      const mark = marks[index];
      for (const ring of rings) {
        ring.setAttribute("cx", mark.x);
        ring.setAttribute("cy", mark.y);
      }

      tip.replaceChildren(make("strong", "", mark.title), ...[[across, mark.at], [up, mark.height]]
        .filter(([, text]) => text !== "")
        .map(([name, text]) => make("span", "", name === "" ? text : `${name}: ${text}`)));
      tip.style.left = `${100 * mark.x / width}%`;
      tip.style.top = `${100 * mark.y / height}%`;
      tip.classList.toggle("leftwards", mark.x > width / 2);
      tip.classList.toggle("upwards", mark.y > height / 2);
      picture.classList.add("pointed");
    };

    const point = event => {
      const box = pictures.find(svg => svg.clientWidth > 0).getBoundingClientRect();
      const x = (event.clientX - box.left) * width / box.width;
      const y = (event.clientY - box.top) * height / box.height;
      let nearest = -1;
      let least = 30;
      marks.forEach((mark, i) => {
        const distance = Math.hypot(mark.x - x, mark.y - y);
        if (distance < least) {
          [nearest, least] = [i, distance];
        }
      });
      if (nearest < 0) {
        hide();
      } else if (nearest !== shown) {
        show(nearest);
      }
    };

    const step = (by, series) => {
      if (shown < 0) {
        show(0);
      } else if (series === 0) {
        show(Math.min(marks.length - 1, Math.max(0, shown + by)));
      } else {
        const other = marks.findIndex(mark => mark.number === marks[shown].number + series);
        show(other < 0 ? shown : other);
      }
    };

    picture.addEventListener("pointermove", point);
    picture.addEventListener("pointerdown", point);
    picture.addEventListener("pointerleave", hide);
    picture.addEventListener("blur", hide);
    return { marks, hide, step };
  };

  const keys = (picture, label, acts) => {
    picture.tabIndex = 0;
    picture.setAttribute("role", "group");
    picture.setAttribute("aria-label", label);
    picture.addEventListener("keydown", event => {
      if (Object.hasOwn(acts, event.key) && !event.ctrlKey && !event.altKey && !event.metaKey) {
        event.preventDefault();
        acts[event.key]();
      }
    });
  };

  // Surfaces: the floor, the labels and the cells of the grid are placed anew for each view, the farthest cell first.
  const surface = (picture, label, pointed) => {
    const svgs = [...picture.querySelectorAll("svg")];
    const list = name => svgs[0].dataset[name].split(" ").map(Number);
    const [columns, rows, heights] = [list("columns"), list("rows"), list("heights")]; // a gap, "-", is NaN
    const [azimuth, elevation, scale, rise, left, top] = list("view");
    const vertices = rows.flatMap((y, j) => columns.map((x, i) => [x, y, heights[j * columns.length + i]]));
    const cells = svgs.map(svg => [...svg.querySelectorAll("[data-cell]")].map(element => {
      const at = Number(element.dataset.cell);
      const first = Math.floor(at / (columns.length - 1)) * columns.length + at % (columns.length - 1);
      return { element, corners: [first, first + 1, first + columns.length + 1, first + columns.length] };
    }));
    const placed = svgs.flatMap(svg => [...svg.querySelectorAll("[data-at]")].map(element => ({
      element,
      points: element.dataset.at.split(" ").map(point => point.split(",").map(Number)),
    })));
    const says = make("p", "view", "Dragging turns it, and so do the arrow keys.");
    says.setAttribute("role", "status");
    let now = [azimuth, elevation];
    let goal = now;
    let frame = 0;

    const draw = () => {
      const [turn, tilt] = now.map(angle => angle * Math.PI / 180);
      const [ct, st, ce, se] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
      const place = ([x, y, z]) => {
        const depth = x * st + y * ct;
        return { x: left + scale * (x * ct - y * st), y: top - scale * (depth * se + (z - 0.5) * rise * ce), depth };
      };
      const text = point => `${point.x.toFixed(2)},${point.y.toFixed(2)}`;
      const points = vertices.map(place);
      const depth = cell => cell.corners.reduce((sum, corner) => sum + points[corner].depth, 0);
      for (const all of cells) {
        all.sort((a, b) => depth(b) - depth(a));
        all.forEach(cell => cell.element.setAttribute("points", cell.corners.map(corner => text(points[corner])).join(" ")));
        all[0]?.element.parentNode.append(...all.map(cell => cell.element));
      }

      for (const { element, points: ends } of placed) {
        const at = ends.map(place);
        if (at.length > 1) {
          element.setAttribute("points", at.map(text).join(" "));
        } else {
          const [h, v] = element.tagName === "circle" ? ["cx", "cy"] : ["x", "y"];
          element.setAttribute(h, at[0].x.toFixed(2));
          element.setAttribute(v, at[0].y.toFixed(2));
        }
      }

      points.filter((_, i) => !Number.isNaN(heights[i])).forEach((point, i) => Object.assign(pointed.marks[i], { x: point.x, y: point.y }));
    };

    const move = () => {
      const rest = goal.map((angle, i) => angle - now[i]);
      const isThere = isStill.matches || Math.hypot(...rest) < 0.5;
      now = isThere ? goal : now.map((angle, i) => angle + 0.3 * rest[i]);
      draw();
      frame = isThere ? 0 : requestAnimationFrame(move);
    };

    const turnTo = (turn, tilt) => {
      goal = [turn, Math.min(90, Math.max(0, tilt))];
      pointed.hide();
      says.textContent = `Turned by ${Math.round(goal[0] - azimuth)}°, seen from ${Math.round(goal[1])}° above`;
      if (frame === 0) {
        move();
      }
    };

    const turn = (by, up) => turnTo(goal[0] + by, goal[1] + up);
    keys(picture, `${label}: arrow keys turn it, Home turns it back`, {
      ArrowLeft: () => turn(-15, 0),
      ArrowRight: () => turn(15, 0),
      ArrowUp: () => turn(0, 10),
      ArrowDown: () => turn(0, -10),
      Home: () => turnTo(azimuth, elevation),
      Escape: pointed.hide,
    });

    let held = null;
    picture.addEventListener("pointerdown", event => {
      held = { x: event.clientX, y: event.clientY, view: goal };
      picture.setPointerCapture(event.pointerId);
    });
    picture.addEventListener("pointermove", event => {
      if (held !== null) {
        goal = now = [held.view[0] + (event.clientX - held.x) / 2, Math.min(90, Math.max(0, held.view[1] + (event.clientY - held.y) / 2))];
        pointed.hide();
        draw();
      }
    });
    for (const end of ["pointerup", "pointercancel"]) {
      picture.addEventListener(end, () => {
        held = null;
      });
    }

    picture.classList.add("turns");
    picture.after(make("div", "tools", button("turn", "Turn left", () => turn(-15, 0)), button("turn", "Turn right", () => turn(15, 0)), says));
  };

  for (const figure of document.querySelectorAll("figure")) {
    const pictures = [...figure.querySelectorAll(".picture")];
    const title = figure.querySelector("figcaption strong").textContent;
    for (const picture of pictures) {
      if (picture.querySelector("script") === null) {
        continue;
      }

      const pointed = values(picture);
      if (picture.querySelector("svg[data-view]") !== null) {
        surface(picture, title, pointed);
      } else {
        keys(picture, `${title}: arrow keys go through its values`, {
          ArrowRight: () => pointed.step(1, 0),
          ArrowLeft: () => pointed.step(-1, 0),
          ArrowDown: () => pointed.step(0, 1),
          ArrowUp: () => pointed.step(0, -1),
          Escape: pointed.hide,
        });
      }
    }

    // Scales: both pictures are there, one of them hidden.
    if (pictures.length > 1) {
      const frames = pictures.map(picture => picture.parentNode);
      const switcher = button("scale", "", () => {
        frames.forEach(frame => {
          frame.hidden = !frame.hidden;
        });
        name();
      });
      const name = () => {
        switcher.textContent = `Show on a ${frames.find(frame => frame.hidden).dataset.scale} scale`;
      };
      name();
      frames[0].parentNode.append(make("div", "tools", switcher));
    }
  }
})();
