// Crossbars
