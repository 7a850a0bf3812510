/**
 * The keyboard's place: it is kept when what had the focus is moved, or goes to what is nearest when
 * that is gone.
 *
 * Rule 1: the focus is never taken from anything that still has it; only one that is lost (the browser
 * then gives it to the page's body) is put somewhere.  Rule 2: `data-lands` marks where it may be
 * put: the head of a page or of a section, a row.  Rule 3: what has the focus is never `disabled`,
 * as that takes it away: see `unless`.
 */
import * as React from 'react';

const PANEL = '.jp-DeployPanel';

/** What has the focus, what that is in, and so on up to the panel; empty when it is elsewhere. */
export type Trail = readonly Element[];

export function trail(): Trail {
  const panel = document.activeElement?.closest(PANEL);
  const found: Element[] = [];
  for (
    let one = document.activeElement;
    panel && one && one !== panel.parentElement;
    one = one.parentElement
  ) {
    found.push(one);
  }
  return found;
}

/** Go to where the trail began, else to what is nearest to there; for a focus that is lost. */
export function goBack(to: Trail): void {
  const lost =
    !document.activeElement || document.activeElement === document.body;
  if (lost) {
    focus(to[0]?.isConnected ? to[0] : nearest(to));
  }
}

/** Go to the first place of `where` that is made for it; `named` is preferred. */
export function land(where: Element, named: string | null = null): void {
  const places = [...where.querySelectorAll('[data-lands]')];
  focus(
    places.find(
      one => named !== null && one.getAttribute('data-lands') === named
    ) ?? places[0]
  );
}

/** Properties of a button that keeps the focus while it cannot be used. */
export function unless(busy: boolean, onClick: () => void) {
  return { 'aria-disabled': busy, onClick: busy ? undefined : onClick };
}

function nearest(to: Trail): Element | undefined {
  for (const one of to.filter(step => step.isConnected)) {
    const place = one.matches('[data-lands]')
      ? one
      : one.querySelector('[data-lands]');
    if (place) {
      return place;
    }
  }
  return undefined;
}

function focus(element: Element | undefined): void {
  if (element instanceof HTMLElement || element instanceof SVGElement) {
    element.focus();
  }
}

/** Do what may show a dialog; a focus that is lost in it goes back to where it was. */
export async function keeping<T>(work: () => Promise<T>): Promise<T> {
  const was = trail();
  try {
    return await work();
  } finally {
    goBack(was);
  }
}

interface IProps {
  /** The endpoint whose page is shown; null shows the list. */
  readonly page: string | null;
  readonly children: React.ReactNode;
}

/** Keeps the focus whenever what is in it is drawn again. */
export class KeepFocus extends React.Component<IProps, object, Trail> {
  getSnapshotBeforeUpdate(): Trail {
    return trail();
  }

  componentDidUpdate(before: IProps, _: object, was: Trail): void {
    const panel = was[was.length - 1];
    if (panel && before.page !== this.props.page) {
      // On a page from its head; from a page back to its row.
      land(panel.querySelector('.jp-Deploy-body') ?? panel, before.page);
    } else {
      goBack(was);
    }
  }

  render(): React.ReactNode {
    return this.props.children;
  }
}
