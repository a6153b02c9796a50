/** Shows the OpenAPI document of the server that this page comes from, and sends requests to it. */

const documentPath = '/nflow/api/v1/openapi.json';
const tokenInput = document.getElementById('token');
const notice = document.getElementById('notice');

/** An element with attributes and children; texts are never read as HTML. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** What is in backticks, as code; for the children of an element. */
function textParts(text) {
  return text.split(/`([^`]+)`/).map((part, index) => (index % 2 === 1 ? element('code', {}, part) : part));
}

function authorization() {
  const token = tokenInput.value.trim();
  return token === '' ? {} : { authorization: `Bearer ${token}` };
}

async function load() {
  const response = await fetch(documentPath, { headers: authorization() });
  if (response.ok) {
    show(await response.json());
    return;
  }
  const problem = await response.json().catch(() => ({}));
  notice.hidden = false;
  notice.textContent =
    response.status === 401
      ? 'This server shows its API to those who have the admin token: enter it above.'
      : `The description could not be loaded: ${problem.detail ?? response.status}`;
}

function show(description) {
  document.getElementById('version').textContent = description.info.version;
  const main = document.getElementById('operations');
  const contents = document.getElementById('contents');
  contents.replaceChildren();
  notice.hidden = true;
  main.replaceChildren(notice, element('p', {}, ...textParts(description.info.description)));
  for (const tag of description.tags) {
    const operations = operationsOf(description, tag.name);
    if (operations.length === 0) continue;
    main.append(
      element('h2', { id: `tag-${tag.name}` }, tag.name),
      element('p', { class: 'faint' }, ...textParts(tag.description)),
    );
    const list = element('ul');
    for (const operation of operations) {
      main.append(operationView(description, operation));
      list.append(element('li', {}, element('a', { href: `#${operation.operationId}` }, operation.summary)));
    }
    contents.append(element('strong', {}, tag.name), list);
  }
  openNamed();
}

function operationsOf({ paths }, tag) {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, operation]) => operation.tags?.includes(tag))
      .map(([method, operation]) => ({ ...operation, method, path })),
  );
}

function operationView(description, operation) {
  const { method, path, summary, operationId, parameters = [], requestBody, responses } = operation;
  const bodySchema = requestBody?.content?.['application/json']?.schema;
  const inside = element(
    'div',
    { class: 'inside' },
    operation.description === undefined ? null : element('p', {}, ...textParts(operation.description)),
    parameters.length === 0 ? null : element('h4', {}, 'Parameters'),
    parameters.length === 0 ? null : parameterTable(parameters),
    bodySchema === undefined ? null : element('h4', {}, 'Body'),
    bodySchema === undefined ? null : element('pre', {}, schemaText(description, bodySchema)),
    element('h4', {}, 'Answers'),
    responseTable(description, responses),
    tryForm(operation, bodySchema !== undefined),
  );
  return element(
    'details',
    { id: operationId },
    element(
      'summary',
      {},
      element('span', { class: `method ${method}` }, method.toUpperCase()),
      element('code', {}, path),
      element('span', { class: 'faint' }, summary),
    ),
    inside,
  );
}

function parameterTable(parameters) {
  const rows = parameters.map(({ name, in: place, required, schema, description }) =>
    element(
      'tr',
      {},
      element('td', {}, element('code', {}, name)),
      element('td', { class: 'faint' }, `${place}${required ? ', required' : ''}`),
      element('td', {}, element('code', {}, typeText(schema))),
      element('td', {}, ...textParts(description ?? schema.description ?? '')),
    ),
  );
  return element('table', { class: 'parameters' }, element('tbody', {}, ...rows));
}

function responseTable(description, responses) {
  const rows = Object.entries(responses).map(([status, response]) => {
    const [type, content] = Object.entries(response.content ?? {})[0] ?? [];
    const cell = element('td', {}, element('div', {}, ...textParts(response.description ?? '')));
    if (type !== undefined) {
      cell.append(element('div', { class: 'faint' }, type));
      // Every problem has the same shape: once is enough.
      if (type === 'application/json') cell.append(element('pre', {}, schemaText(description, content.schema)));
    }
    return element('tr', {}, element('td', {}, element('code', {}, status)), cell);
  });
  return element('table', {}, element('tbody', {}, ...rows));
}

function typeText(schema) {
  if (schema.enum !== undefined) return schema.enum.join(' | ');
  if (schema.anyOf !== undefined) {
    const types = schema.anyOf.map(typeText);
    // A value, or an array of the same: it may be repeated in the query.
    return types[1] === `(${types[0]})[]` ? `${types[0]}, once or several times` : types.join(' | ');
  }
  if (schema.type === 'array' && schema.items?.enum !== undefined) return `(${typeText(schema.items)})[]`;
  if (schema.type === 'array') return `${typeText(schema.items ?? {})}[]`;
  const types = [schema.type ?? 'any'].flat().join(' | ');
  return schema.format === undefined ? types : `${types} ${schema.format}`;
}

/** A schema as people read it: an outline with types in the place of values. */
function schemaText(description, schema, indent = '', seen = []) {
  if (schema === undefined) return 'any';
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split('/').at(-1);
    if (seen.includes(name)) return name;
    return schemaText(description, description.components.schemas[name], indent, [...seen, name]);
  }
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const either = schema.anyOf ?? schema.oneOf;
  if (either !== undefined) return either.map((one) => schemaText(description, one, indent, seen)).join(' | ');
  if (schema.type === 'array') return `[ ${schemaText(description, schema.items, indent, seen)} ]`;
  if (schema.type === 'object' && schema.properties !== undefined) {
    const lines = Object.entries(schema.properties).map(([name, property]) => {
      const mark = schema.required?.includes(name) ? '' : '?';
      const note = property.description === undefined ? '' : `   // ${property.description}`;
      return `${indent}  ${name}${mark}: ${schemaText(description, property, `${indent}  `, seen)}${note}`;
    });
    return `{\n${lines.join('\n')}\n${indent}}`;
  }
  if (schema.type === 'object') {
    return `{ [name]: ${schemaText(description, schema.additionalProperties || {}, indent, seen)} }`;
  }
  return typeText(schema);
}

function tryForm({ method, path, parameters = [], operationId }, hasBody) {
  const fields = parameters.map(({ name, in: place, required }) => {
    const id = `${operationId}-${name}`;
    const input = element('input', { id, autocomplete: 'off', ...(required ? { required: '' } : {}) });
    return { name, place, input, row: element('p', { class: 'field' }, element('label', { for: id }, name), input) };
  });
  const body = hasBody ? element('textarea', { 'aria-label': 'Body', spellcheck: 'false' }, '{}') : null;
  const output = element('pre', { hidden: '' });
  const form = element('form', {}, ...fields.map(({ row }) => row), body, element('button', {}, 'Send'), output);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    output.hidden = false;
    output.textContent = '…';
    const url = new URL(
      path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(fieldValue(fields, name))),
      location.origin,
    );
    for (const { name, place, input } of fields) {
      if (place === 'query' && input.value !== '') url.searchParams.append(name, input.value);
    }
    const headers = { ...authorization(), ...(body === null ? {} : { 'content-type': 'application/json' }) };
    const request = { method: method.toUpperCase(), headers, ...(body === null ? {} : { body: body.value }) };
    output.textContent = await send(url, request).catch((error) => String(error));
  });
  return element('details', {}, element('summary', {}, 'Try it'), element('div', { class: 'inside' }, form));
}

function fieldValue(fields, name) {
  return fields.find((field) => field.name === name)?.input.value ?? '';
}

async function send(url, request) {
  const response = await fetch(url, request);
  if (response.headers.get('content-type')?.startsWith('text/event-stream')) {
    await response.body.cancel();
    return `${response.status}\n\nA stream: follow it with curl -N ${url}`;
  }
  const text = await response.text();
  return `${response.status} ${response.statusText}\n\n${pretty(text)}`;
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** The operation that the address names is open. */
function openNamed() {
  const named = document.getElementById(location.hash.slice(1));
  if (named instanceof HTMLDetailsElement) {
    named.open = true;
    named.scrollIntoView();
  }
}

// Beside the operations there is room for the list of them; above them it would push them off a small screen.
document.getElementById('contents-fold').open = matchMedia('(min-width: 761px)').matches;
document.getElementById('token-form').addEventListener('submit', (event) => event.preventDefault());
tokenInput.addEventListener('change', load);
addEventListener('hashchange', openNamed);
load();
