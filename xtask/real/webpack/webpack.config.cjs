const HtmlWebpackPlugin = require('html-webpack-plugin');

module.exports = {
  mode: 'development',
  entry: './src/index.js',
  plugins: [new HtmlWebpackPlugin({ title: 'webpack-dev-server' })],
  devServer: { hot: 'only' },
};
