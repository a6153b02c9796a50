/** What a request body is taken for, by its content type. */
export type BodyKind = 'json' | 'form' | 'text' | 'binary' | 'multipart' | 'other-charset';

/** Content types that clients send are few; a client that sends ever new ones must not make this grow. */
const rememberedMax = 1000;
const remembered = new Map<string, BodyKind>();

/**
 * The kind of a `content-type`; without one a body is binary. `multipart` and `other-charset` are refused: the first does not
 * exist yet, the second would need a decoder.
 */
export function bodyKindOf(contentType: string | undefined): BodyKind {
  if (contentType === 'application/json') return 'json';
  if (contentType === undefined) return 'binary';
  let kind = remembered.get(contentType);
  if (kind === undefined) {
    kind = parseBodyKind(contentType);
    if (remembered.size < rememberedMax && contentType.length <= 200) remembered.set(contentType, kind);
  }
  return kind;
}

function parseBodyKind(contentType: string): BodyKind {
  const [essence = '', ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase());
  if (essence.startsWith('multipart/')) return 'multipart';
  const kind = kindOfEssence(essence);
  if (kind === 'binary') return kind;
  for (const parameter of parameters) {
    if (!parameter.startsWith('charset=')) continue;
    const charset = parameter.slice('charset='.length).replace(/^"(.*)"$/, '$1');
    // ASCII is a part of UTF-8.
    if (charset !== 'utf-8' && charset !== 'utf8' && charset !== 'us-ascii') return 'other-charset';
  }
  return kind;
}

function kindOfEssence(essence: string): BodyKind {
  if (essence === 'application/json' || /^[^/]+\/[^/]+\+json$/.test(essence)) return 'json';
  if (essence === 'application/x-www-form-urlencoded') return 'form';
  if (essence.startsWith('text/')) return 'text';
  return 'binary';
}

/** In these a browser runs no script when it shows them as a page. All others are taken for active: new ones appear, and typing errors. */
const passiveTypes =
  /^(application\/(json|[^/+]+\+json|javascript|octet-stream|pdf|zip)|text\/(plain|csv|css|javascript|calendar|markdown|event-stream)|(image|audio|video|font)\/(?![^/]*xml)[^/]+)$/;

/** True for types in which a browser may run scripts. */
export function isActiveContent(contentType: string): boolean {
  return !passiveTypes.test((contentType.split(';', 1)[0] as string).trim().toLowerCase());
}

export function isJsonType(contentType: string): boolean {
  return kindOfEssence((contentType.split(';', 1)[0] as string).trim().toLowerCase()) === 'json';
}
