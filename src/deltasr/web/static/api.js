// Shows /openapi.json to people.

const element = (name, text = "", parts = []) => {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...parts);
  return made;
};

const table = (heads, rows) => {
  const head = element("thead", "", [element("tr", "", heads.map((text) => element("th", text)))]);
  const body = element("tbody", "", rows.map((row) => element("tr", "", row.map((cell) => element("td", "", [cell])))));
  return element("table", "", [head, body]);
};

const kind = (schema) =>
  schema.enum?.join(", ") ?? schema.oneOf?.map((one) => one.const ?? kind(one)).join(" or ") ?? range(schema);

const range = (schema) => {
  const least = schema.minimum !== undefined ? ` from ${schema.minimum}` : "";
  const most = schema.maximum !== undefined ? ` to ${schema.maximum}` : "";
  return `${schema.type}${least}${most}`;
};

const answer = await fetch("/openapi.json");
const api = await answer.json();
document.getElementById("about").textContent = api.info.description;
document.getElementById("example").textContent = [
  `curl --data-binary @photo.jpg "${location.origin}/v1/upscale?fidelity=1" -o photo-x4.jpg`,
  `curl -F file=@scan.tif "${location.origin}/v1/upscale?format=png&scale=2" -o scan.png`,
].join("\n");
const routes = document.getElementById("routes");
for (const [path, methods] of Object.entries(api.paths)) {
  for (const [method, route] of Object.entries(methods)) {
    routes.append(element("h2", "", [element("code", `${method.toUpperCase()} ${path}`)]), element("p", route.summary));
    if (route.parameters) {
      const rows = route.parameters.map((one) => [element("code", one.name), kind(one.schema), one.description]);
      routes.append(table(["Option", "Value", "What it does"], rows));
    }
    const headers = Object.entries(route.responses["200"].headers ?? {});
    if (headers.length) {
      routes.append(table(["Header of the result", ""], headers.map(([name, one]) => [element("code", name), one.description])));
    }
    const rows = Object.entries(route.responses).map(([status, one]) => [status, one.description]);
    routes.append(table(["Status", ""], rows));
  }
}
