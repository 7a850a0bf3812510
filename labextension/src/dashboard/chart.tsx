/**
 * One figure, drawn by plotly; plotly is loaded when the first one is shown.
 */
import * as React from 'react';

import type { IFigure, IPalette } from './figures';
import { COLOURS } from './palette';

const CONFIG = {
  displayModeBar: false,
  displaylogo: false,
  responsive: false,
  // No button that sends figures anywhere.
  showSendToCloud: false,
  plotlyServerURL: ''
};

function plotly() {
  return import('plotly.js-basic-dist-min').then(module => module.default);
}

export function Chart(props: { figure: IFigure }): JSX.Element {
  const { figure } = props;
  const node = React.useRef<HTMLDivElement>(null);
  React.useEffect(() => {
    let wanted = true;
    void plotly().then(async library => {
      if (wanted && node.current) {
        // `react` changes what is drawn already: nothing flickers, and a zoom stays.
        await library.react(node.current, figure.data, figure.layout, CONFIG);
      }
    });
    return () => {
      wanted = false;
    };
  }, [figure]);
  React.useEffect(() => {
    const drawn = node.current;
    const watch = new ResizeObserver(() => {
      void plotly().then(library => {
        if (drawn?.isConnected && drawn.offsetWidth > 0 && drawn.firstChild) {
          library.Plots.resize(drawn);
        }
      });
    });
    if (drawn) {
      watch.observe(drawn);
    }
    return () => {
      watch.disconnect();
      void plotly().then(library => drawn && library.purge(drawn));
    };
  }, []);
  return (
    <figure className="jp-DeployFigure">
      <figcaption>{figure.title}</figcaption>
      <div ref={node} role="img" aria-label={figure.summary} />
    </figure>
  );
}

/** What a figure is drawn on: the ground of a page, or that of a notebook. */
export type Ground = '--jp-layout-color1' | '--jp-layout-color0';

/** The colours that stand out, on those of the theme that is on; and again whenever it is changed. */
export function usePalette(ground: Ground): IPalette {
  const [palette, setPalette] = React.useState(() => read(ground));
  React.useEffect(() => {
    const watch = new MutationObserver(() => setPalette(read(ground)));
    watch.observe(document.body, {
      attributes: true,
      attributeFilter: ['data-jp-theme-name', 'data-jp-theme-light']
    });
    return () => watch.disconnect();
  }, [ground]);
  return palette;
}

function read(ground: Ground): IPalette {
  const style = getComputedStyle(document.body);
  const value = (name: string) => style.getPropertyValue(name).trim();
  return {
    text: value('--jp-ui-font-color1'),
    ground: value(ground),
    font: value('--jp-ui-font-family'),
    ...COLOURS
  };
}
