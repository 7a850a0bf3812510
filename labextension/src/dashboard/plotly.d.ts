/** The part of plotly.js that is used here. */
declare module 'plotly.js-basic-dist-min' {
  export interface IPlotly {
    react(
      node: HTMLElement,
      data: readonly object[],
      layout: object,
      config: object
    ): Promise<unknown>;
    purge(node: HTMLElement): void;
    Plots: { resize(node: HTMLElement): void };
  }
  const plotly: IPlotly;
  export default plotly;
}
