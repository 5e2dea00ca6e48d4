// Documents in JSON, as they cross.

const utf8 = new TextEncoder();
export const text = new TextDecoder();

export function json(document) {
  return utf8.encode(JSON.stringify(document));
}

export function parse(bytes) {
  return JSON.parse(text.decode(bytes));
}
