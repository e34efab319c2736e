set terminal svg size 720,480 dynamic enhanced font "sans,13" background rgb "white"
set output "figure.svg"
set encoding utf8
set title "TxSim: VGG-8 on CIFAR-10 trained from scratch on crossbars, at three operating\npoints" noenhanced
set xlabel "operating point" noenhanced
set ylabel "accuracy (%)"
set grid lc rgb "#cccccc"; set border 3; set tics nomirror; set key below noenhanced maxcols 3 height 1.5
set offsets 0.5, 0.5
colours = "#0072B2 #D55E00 #009E73 #CC79A7 #E69F00 #56B4E9 #000000 #F0E442"
plot "figure.dat" index 0 using ($0 + 0):2:3:xtic(1) with yerrorlines lw 2 pt 7 ps 0.6 lc rgb word(colours, 1) title "accuracy"
