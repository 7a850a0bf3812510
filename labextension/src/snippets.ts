/**
 * Lines to paste that call an endpoint.  A key is named by its file and never written out.
 */

/** `example` is the JSON body of a request that works, as far as one is known. */
export interface ICall {
  readonly url: string;
  readonly keyFile: string;
  readonly example: string;
}

export const NO_EXAMPLE = '{"dataframe_records": [{"column": 1}]}';

/** Where an endpoint takes requests. */
export function invocations(url: string): string {
  return `${url}/invocations`;
}

/** A line for a POSIX shell. */
export function curl(call: ICall): string {
  return [
    `curl -s ${quoted(call.url)} \\`,
    `  -H "Authorization: Bearer $(cat ${quoted(call.keyFile)})" \\`,
    "  -H 'Content-Type: application/json' \\",
    `  -d ${quoted(call.example)}`
  ].join('\n');
}

/** A few lines of Python. */
export function python(call: ICall): string {
  return [
    'from pathlib import Path',
    '',
    'import requests',
    '',
    `key = Path(${JSON.stringify(call.keyFile)}).read_text().strip()`,
    'answer = requests.post(',
    `    ${JSON.stringify(call.url)},`,
    '    headers={"Authorization": f"Bearer {key}",',
    '             "Content-Type": "application/json"},',
    `    data=${pythonText(call.example)},`,
    '    timeout=30,',
    ')',
    'answer.raise_for_status()',
    'print(answer.json()["predictions"])'
  ].join('\n');
}

/** `text` as one word of a POSIX shell. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text)
    ? text
    : `'${text.replace(/'/g, "'\\''")}'`;
}

function pythonText(text: string): string {
  // JSON's string escapes are Python's, too.
  return JSON.stringify(text);
}
