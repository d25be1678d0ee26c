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

  const fieldsets = [...document.querySelectorAll("#map-filters fieldset")];
  const boxes = (fieldset) => [...fieldset.querySelectorAll("input[type=checkbox]")];
  const count = document.getElementById("map-count");

  function filter() {
    const wanted = fieldsets
      .map((fieldset) => [
        codes[fieldset.dataset.filter],
        new Set(boxes(fieldset).flatMap((box, code) => (box.checked ? [code] : []))),
      ])
      .filter(([, ticked]) => ticked.size > 0);
    const rows = [];
    for (let row = 0; row < total; row++) {
      if (wanted.every(([of, ticked]) => ticked.has(of[row]))) rows.push(row);
    }
    shown.indices = rows;
    count.textContent = rows.length.toLocaleString("en");
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
  document.getElementById("map-section").dataset.ready = "yes";
})();
