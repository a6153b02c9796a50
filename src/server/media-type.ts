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

/** True for types in which a browser runs scripts. */
export function isActiveContent(contentType: string): boolean {
  const essence = (contentType.split(';', 1)[0] as string).trim().toLowerCase();
  return (
    essence === 'text/html' ||
    essence === 'image/svg+xml' ||
    /^(text|application)\/(xml|xslt?|[^/]+\+xml)$/.test(essence)
  );
}

export function isJsonType(contentType: string): boolean {
  return kindOfEssence((contentType.split(';', 1)[0] as string).trim().toLowerCase()) === 'json';
}
