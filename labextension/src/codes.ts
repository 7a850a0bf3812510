/**
 * Codes of the server in words: each known one is translated, and for others stands what the server
 * said.  Pure.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Column } from './types';

/** A step of a deploy. */
export function stepWord(trans: TranslationBundle, step: string): string {
  switch (step) {
    case 'contract':
      return trans.__('contract');
    case 'package':
      return trans.__('package');
    case 'register':
      return trans.__('register');
    case 'prove':
      return trans.__('prove');
    case 'start':
      return trans.__('start');
    case 'switch':
      return trans.__('switch');
    default:
      return step;
  }
}

/** What somebody did to an endpoint, as the audit trail has it. */
export function actionWord(trans: TranslationBundle, action: string): string {
  switch (action) {
    case 'deployed':
      return trans.__('deployed');
    case 'staged':
      return trans.__('staged');
    case 'promoted':
      return trans.__('promoted');
    case 'rolled-back':
      return trans.__('rolled back');
    case 'undeployed':
      return trans.__('stopped');
    case 'stopped':
      return trans.__('everything stopped');
    case 'version-failed':
      return trans.__('version failed');
    case 'key-created':
      return trans.__('key created');
    case 'key-rotated':
      return trans.__('key rotated');
    case 'key-revoked':
      return trans.__('key revoked');
    case 'upgraded':
      return trans.__('upgraded');
    case 'alias-put-back':
      return trans.__('alias put back');
    default:
      return action.replace(/-/g, ' ');
  }
}

/** What happened, as the kind of an event or of a mark has it; its sentence is the server's. */
export function happenedWord(trans: TranslationBundle, kind: string): string {
  const words: Record<string, string> = {
    adopted: trans.__('taken over'),
    'alias-moved': trans.__('alias moved'),
    'alias-settled': trans.__('alias settled'),
    'connections-refused': trans.__('connections refused'),
    'deploy-failed': trans.__('deploy failed'),
    'files-lost': trans.__('files lost'),
    'files-restored': trans.__('files restored'),
    'gateway-ended': trans.__('gateway ended'),
    'gateway-hung': trans.__('gateway hung'),
    'gateway-silent': trans.__('gateway silent'),
    'handed-over': trans.__('handed over'),
    'memory-enough': trans.__('enough memory again'),
    'memory-short': trans.__('short of memory'),
    'port-in-use': trans.__('port in use'),
    'registry-away': trans.__('registry away'),
    'registry-back': trans.__('registry back'),
    'replica-answers': trans.__('replica answers again'),
    'replica-ended': trans.__('replica ended'),
    'replica-hung': trans.__('replica hung'),
    'replica-ready': trans.__('replica ready'),
    'replica-silent': trans.__('replica silent'),
    'replica-unknown': trans.__('replica unknown'),
    'replica-waits': trans.__('replica waits'),
    scaled: trans.__('scaled'),
    'state-recovered': trans.__('state recovered'),
    stopped: trans.__('everything stopped'),
    'upgrade-failed': trans.__('upgrade failed'),
    'version-failing': trans.__('version failing')
  };
  return words[kind] ?? actionWord(trans, kind);
}

/** Why a version has its number; what broke a contract stands in the server's words. */
export function whyWord(trans: TranslationBundle, why: string): string {
  switch (why) {
    case 'first version':
      return trans.__('first version');
    case 'same contract':
      return trans.__('same contract');
    case 'compatible contract':
      return trans.__('compatible contract');
    case 'asked for':
      return trans.__('asked for');
    case 'major asked for':
      return trans.__('major asked for');
    case 'minor asked for':
      return trans.__('minor asked for');
    case 'patch asked for':
      return trans.__('patch asked for');
    default:
      return why;
  }
}

/** A type of a contract. */
export function typeWord(trans: TranslationBundle, type: Column['type']) {
  switch (type) {
    case 'integer':
      return trans.__('integer');
    case 'float':
      return trans.__('float');
    case 'boolean':
      return trans.__('boolean');
    case 'string':
      return trans.__('string');
    case 'datetime':
      return trans.__('datetime');
    case 'object':
      return trans.__('object');
  }
}

/** The title of an error; `said` is what the server calls it. */
export function errorTitle(
  trans: TranslationBundle,
  code: string,
  said: string
): string {
  const titles: Record<string, string> = {
    'ambiguous-field': trans.__('A header field is ambiguous'),
    'bad-input': trans.__('The input does not fit the contract'),
    'client-closed-request': trans.__('The caller has gone'),
    conflict: trans.__('In conflict with the present state'),
    'deadline-exceeded': trans.__('The model took too long'),
    'deploy-failed': trans.__('The deploy failed'),
    'deploy-in-progress': trans.__('Another deploy is under way'),
    'expression-failed': trans.__('The expression does not evaluate'),
    forbidden: trans.__('The key has no right to this endpoint'),
    'gateway-failed': trans.__('The gateway failed'),
    'head-too-large': trans.__('The head of the request is too large'),
    'host-missing': trans.__('The host is missing'),
    'invalid-duration': trans.__('The duration is not allowed'),
    'invalid-name': trans.__('The name is not allowed'),
    'invalid-rate': trans.__('The rate is not allowed'),
    'invalid-version': trans.__('The version is not allowed'),
    'method-not-allowed': trans.__('The method is not allowed'),
    'model-failed': trans.__('The model failed'),
    'no-replica': trans.__('No process of this version is running now'),
    'not-a-model': trans.__('This is not a model'),
    'not-fitted': trans.__('The model is not fitted'),
    'not-found': trans.__('Not found'),
    'not-reproduced': trans.__('The served model answers differently'),
    'nothing-to-roll-back-to': trans.__('There is no version to go back to'),
    'over-limit': trans.__('The rate limit of this key is reached'),
    overloaded: trans.__('Too many requests are waiting'),
    'package-failed': trans.__('The model cannot be packaged'),
    'poisonous-request': trans.__("This request stops the model's process"),
    'registry-unavailable': trans.__('The model registry cannot be used'),
    'replica-failed': trans.__('The version cannot start'),
    'request-error': trans.__('The request failed'),
    'request-timeout': trans.__('The request took too long to arrive'),
    'sample-mismatch': trans.__('The sample does not fit the model'),
    'short-of-memory': trans.__('There is too little memory for this now'),
    'stale-generation': trans.__('The endpoint has changed since'),
    'state-unavailable': trans.__('The state cannot be written'),
    'supervisor-unavailable': trans.__('The supervisor cannot be reached'),
    'too-large': trans.__('The body is too large'),
    'too-many-values': trans.__('The rows leave out too many values'),
    unauthorized: trans.__('A valid key is needed'),
    unavailable: trans.__('Not available now'),
    'unknown-route': trans.__('Nothing is served here'),
    'unsupported-coding': trans.__('The transfer coding is not supported'),
    'unsupported-media': trans.__('The content type is not supported'),
    'unsupported-platform': trans.__('This platform is not supported'),
    'upgrade-failed': trans.__('The upgrade failed'),
    usage: trans.__('The request cannot be understood'),
    'version-exists': trans.__('The version exists')
  };
  return titles[code] ?? said;
}

/** The code of a problem document, as its `type` has it. */
export function codeOf(type: unknown): string {
  return typeof type === 'string' ? type.slice(type.lastIndexOf('#') + 1) : '';
}

/**
 * What the server says of an error.  Its sentences are in English: whoever reads another language
 * gets the title in that one before them.
 */
export function errorSaid(
  trans: TranslationBundle,
  code: string,
  title: string,
  sentences: string
): string {
  const translated = errorTitle(trans, code, title);
  return translated === title || !sentences
    ? sentences || translated
    : trans.__('%1: %2', translated, sentences);
}
