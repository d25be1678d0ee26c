// The controls of the map: checkboxes filter the tiles, and a radio button selects the colour key.
(async () => {
  const { item, names } = JSON.parse(document.getElementById("map-data").textContent);
  const view = await Bokeh.embed.embed_item(item);
  const plot = view.roots ? view.roots[0].model : view.model;
  const model = (name) => plot.document.get_model_by_name(name);
  const [tiles, shown, colours, dots] = ["tiles", "shown", "colours", "dots"].map(model);

  const codes = {};
  const columns = { ...tiles.data };
  for (const [name, classes] of Object.entries(names)) {
    codes[name] = Array.from(columns[`${name} code`]);
    columns[name] = codes[name].map((code) => classes[code]);
  }
  tiles.data = columns;
  const total = columns.cell.length;

  const styles = getComputedStyle(document.documentElement);
  const shade = (name) => styles.getPropertyValue(`--${name}`).trim();
  function paint() {
    const [paper, ink, sea, grid] = ["paper", "ink", "sea", "grid"].map(shade);
    plot.setv({ background_fill_color: sea, border_fill_color: paper, outline_line_color: grid });
    plot.center.forEach((lines) => lines.setv({ grid_line_color: grid }));
    [...plot.below, ...plot.left].forEach((axis) => axis.setv({
      major_label_text_color: ink, axis_line_color: ink, major_tick_line_color: ink, minor_tick_line_color: ink,
    }));
    dots.glyph.setv({ line_color: shade("edge") });
    model("land")?.glyph.setv({ fill_color: shade("land"), line_color: shade("coast") });
  }

  // Until a click on the map, the wheel and a finger scroll the page.
  const isTouch = matchMedia("(pointer: coarse)").matches;
  const tools = [model("wheel"), ...(isTouch ? plot.toolbar.tools.filter((one) => one.type === "PanTool") : [])];
  const place = document.getElementById("map");
  const activate = (on) => tools.forEach((tool) => { tool.active = on; });
  activate(false);
  place.addEventListener("pointerdown", () => activate(true), true);
  document.addEventListener("pointerdown", (event) => { if (!place.contains(event.target)) activate(false); });
  place.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") activate(false); });

  const fieldsets = [...document.querySelectorAll("#map-filters fieldset")];
  const boxes = (fieldset) => [...fieldset.querySelectorAll("input[type=checkbox]")];
  const count = document.getElementById("map-count");

  function filter() {
    const filters = fieldsets.map((fieldset) => ({
      of: codes[fieldset.dataset.filter],
      ticked: new Set(boxes(fieldset).flatMap((box, code) => (box.checked ? [code] : []))),
      numbers: boxes(fieldset).map(() => 0),
    }));
    const rows = [];
    for (let row = 0; row < total; row++) {
      const against = filters.filter(({ of, ticked }) => ticked.size > 0 && !ticked.has(of[row]));
      if (against.length === 0) rows.push(row);
      // A class counts the tiles that the other filters let through.
      const counted = against.length === 0 ? filters : against.length === 1 ? against : [];
      counted.forEach(({ of, numbers }) => { numbers[of[row]] += 1; });
    }
    shown.indices = rows;
    count.textContent = rows.length.toLocaleString("en");
    fieldsets.forEach((fieldset, which) => boxes(fieldset).forEach((box, code) => {
      box.parentElement.querySelector("small").textContent = filters[which].numbers[code].toLocaleString("en");
    }));
  }

  function colour() {
    const fieldset = document.querySelector("#map-filters input[type=radio]:checked").closest("fieldset");
    const palette = boxes(fieldset).map((box) => box.dataset.colour);
    colours.setv({ palette, low: -0.5, high: palette.length - 0.5 });
    dots.glyph.fill_color = { field: `${fieldset.dataset.filter} code`, transform: colours };
    fieldsets.forEach((other) => other.classList.toggle("coloured", other === fieldset));
  }

  document.getElementById("map-filters").addEventListener("change", (event) =>
    event.target.type === "radio" ? colour() : filter());
  document.getElementById("map-all").addEventListener("click", () => {
    fieldsets.flatMap(boxes).forEach((box) => { box.checked = false; });
    filter();
  });
  paint();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  document.getElementById("map-section").dataset.ready = "yes";
})();
