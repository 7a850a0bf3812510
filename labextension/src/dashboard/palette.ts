/**
 * The colours of figures: those of jupyter_deploy/notebook/palette.py, so that a picture in a saved
 * notebook and the live dashboard say the same.  They stand out on every theme.
 */
export const COLOURS = {
  series: ['#1e88e5', '#d97706', '#a663cc', '#2e9e5b', '#d6568c'],
  warn: '#d97706',
  bad: '#d84343',
  calm: '#8a8a8a',
  grid: '#88888844'
} as const;
