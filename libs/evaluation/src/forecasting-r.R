# Forecasts of R's forecast package for the bench beside this file.
#   Rscript forecasting-r.R HISTORIES QUANTILES SECONDS FIT_SECONDS SEED
# HISTORIES: a line a window: id,horizon,value,value,... with NA where a sample is missing.
# QUANTILES: a line a window and model: id,model,cpu_ms,outcome,horizon x 9 quantiles; written window by window.
# No window is begun after SECONDS; a fit is given up after FIT_SECONDS of elapsed time.
suppressPackageStartupMessages(library(forecast))
given <- commandArgs(trailingOnly = TRUE)
deadline <- proc.time()[["elapsed"]] + as.numeric(given[3])
fit_seconds <- as.numeric(given[4])
LEVEL <- c(50, 80, 90, 95)
PROBABILITIES <- c(.025, .05, .1, .25, .5, .75, .9, .95, .975)
PATHS <- 250

# horizon x 9, from a forecast object: its mean is the median of its normal intervals.
rows_of <- function(f) {
  lower <- matrix(f$lower, ncol = length(LEVEL)); upper <- matrix(f$upper, ncol = length(LEVEL))
  cbind(lower[, 4:1, drop = FALSE], as.numeric(f$mean), upper)
}
# What forecast(fit, PI = TRUE) does (normal innovations, added in the network's own scale), for all paths at once: path by path
# it takes most of a minute.
nnetar_rows <- function(fit, h) {
  seasonal <- if (fit$m > 1 && fit$P > 0) fit$m * seq_len(fit$P) else integer(0)
  lags <- sort(unique(c(seq_len(fit$p), seasonal)))
  centre <- if (is.null(fit$scalex)) 0 else fit$scalex$center
  width <- if (is.null(fit$scalex)) 1 else fit$scalex$scale
  past <- matrix((as.numeric(fit$x) - centre) / width, PATHS, length(fit$x), byrow = TRUE)
  spread <- sd(residuals(fit), na.rm = TRUE) / width
  point <- past[1, , drop = FALSE]
  step <- function(known) { at <- known[, ncol(known) + 1 - lags, drop = FALSE]; rowMeans(sapply(fit$model, function(net) predict(net, at))) }
  for (k in seq_len(h)) {
    point <- cbind(point, mean(sapply(fit$model, function(net) predict(net, point[, ncol(point) + 1 - lags, drop = FALSE]))))
    past <- cbind(past, step(past) + rnorm(PATHS, 0, spread))
  }
  ahead <- ncol(past) - h + seq_len(h)
  rows <- t(apply(past[, ahead, drop = FALSE], 2, quantile, probs = PROBABILITIES, names = FALSE))
  # The median of R's point forecast, as forecast() gives it, between the simulated quantiles.
  rows[, 5] <- pmin(pmax(point[1, ahead], rows[, 4]), rows[, 6])
  rows * width + centre
}
with_period <- function(x, most) { period <- frequency(x); if (period > 1 && period <= most) x else ts(as.numeric(x)) }

MODELS <- list(
  "auto.arima" = function(x, h) rows_of(forecast(auto.arima(with_period(x, 24)), h = h, level = LEVEL)),
  "ets" = function(x, h) rows_of(forecast(ets(with_period(x, 24)), h = h, level = LEVEL)),
  "thetaf" = function(x, h) rows_of(thetaf(x, h = h, level = LEVEL)),
  "tbats" = function(x, h) rows_of(forecast(tbats(x, use.parallel = FALSE, use.arma.errors = FALSE), h = h, level = LEVEL)),
  "nnetar" = function(x, h) nnetar_rows(nnetar(x), h),
  "naive" = function(x, h) rows_of(naive(x, h = h, level = LEVEL)),
  "median" = function(x, h) matrix(quantile(as.numeric(x), PROBABILITIES, names = FALSE), h, 9, byrow = TRUE)
)

input <- file(given[1], "r"); output <- file(given[2], "w")
while (length(line <- readLines(input, n = 1)) > 0 && proc.time()[["elapsed"]] < deadline) {
  cells <- strsplit(line, ",", fixed = TRUE)[[1]]
  id <- cells[1]; horizon <- as.integer(cells[2])
  x <- as.numeric(na.interp(ts(suppressWarnings(as.numeric(cells[-(1:2)])))))
  period <- tryCatch(findfrequency(x), error = function(e) 1)
  if (3 * period > length(x)) period <- 1
  x <- ts(x, frequency = max(1, period))
  for (name in names(MODELS)) {
    set.seed(as.integer(given[5]))
    begun <- proc.time(); outcome <- "ok"
    setTimeLimit(elapsed = fit_seconds, transient = TRUE)
    q <- tryCatch(suppressWarnings(MODELS[[name]](x, horizon)), error = function(e) { outcome <<- gsub("[,\n]", " ", conditionMessage(e)); NULL })
    setTimeLimit()
    spent <- proc.time() - begun
    if (!is.null(q) && (any(dim(q) != c(horizon, 9)) || any(!is.finite(q)))) { outcome <- "not finite"; q <- NULL }
    cat(id, name, format(1000 * (spent[["user.self"]] + spent[["sys.self"]]), digits = 6), outcome, if (is.null(q)) character(0) else format(c(t(q)), digits = 9, trim = TRUE, scientific = TRUE), file = output, sep = ",")
    cat("\n", file = output)
  }
  flush(output)
}
close(output)
