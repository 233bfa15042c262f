const HtmlWebpackPlugin = require('html-webpack-plugin');

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <title>webpack-dev-server</title>
    <link rel="icon" href="data:," />
  </head>
</html>`;

module.exports = {
  mode: 'development',
  entry: './src/index.js',
  plugins: [new HtmlWebpackPlugin({ templateContent: PAGE })],
  devServer: { hot: 'only' },
};
